/** @file 20 steps of every sampler of flows against double precision; the fixture is made by tools/reference/flow_steps.py. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { at } from '../../../src/at.js';
import { ddimStep, type LogProbKind } from '../../../src/models/diffusion/ddim-step.js';
import { type SdeName, samplerCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import { largestDifference } from '../../fixtures/run-model.js';
import { flowSchedule } from './schedules.js';

type Step = Readonly<
  Record<'latents' | 'output' | 'noise' | 'reached', readonly number[]> & Record<LogProbKind, number | null>
> & { readonly std: number };
interface Reference {
  readonly shift: number;
  readonly samplers: readonly {
    readonly sde: SdeName;
    readonly level: number;
    readonly steps: readonly Step[];
  }[];
}

const { shift, samplers } = JSON.parse(readFileSync('test/fixtures/flow-steps.json', 'utf8')) as Reference;
const single = (values: readonly number[]) => Float32Array.from(values);

describe('flow steps, against double precision', () => {
  test.each(samplers)('$sde at level $level', ({ sde, level, steps }) => {
    const coefficients = samplerCoefficients(flowSchedule({ shift }), 20, { eta: level, sde });
    expect(steps).toHaveLength(20);
    for (const [index, step] of steps.entries()) {
      expect(at(coefficients, index).stdDevT).toBeCloseTo(step.std, 12);
      for (const logProb of ['gaussian', 'squared-distance'] as const) {
        const taken = ddimStep({
          latents: single(step.latents),
          modelOutput: single(step.output),
          noise: step.std === 0 ? null : single(step.noise),
          coefficients: at(coefficients, index),
          batchSize: 1,
          logProb,
        });
        expect(largestDifference(taken.nextLatents, single(step.reached))).toBeLessThan(1e-6);
        const expected = step[logProb];
        if (expected === null) expect(taken.logProb).toBeNull();
        else expect(Math.abs(at(taken.logProb ?? new Float32Array(), 0) - expected)).toBeLessThan(1e-5);
      }
    }
    expect(at(steps, -1).std === 0).toBe(sde === 'cps');
  });
});
