import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ddimStep } from '../../../src/models/diffusion/ddim-step.js';
import {
  type StepCoefficients,
  samplerCoefficients,
} from '../../../src/models/diffusion/step-coefficients.js';
import type { StochasticSettings } from '../../../src/models/diffusion/stochastic-steps.js';
import { noisySteps, stochasticCoefficients } from '../../../src/models/diffusion/stochastic-steps.js';
import type { SampledGroup, SamplerSettings } from '../../../src/models/rollouts/sampler.js';
import { halvingSampler } from '../../fixtures/halving-denoiser.js';
import { type OpenTiny, openTiny, stepsFrom, TINY_SAMPLER } from '../../fixtures/open-tiny.js';
import { TINY_PROMPTS } from '../../fixtures/tiny-pipeline.js';
import { flowSchedule, scheduleWith } from './schedules.js';

const ROW = 3 * 16 * 16;
const SETTINGS: StochasticSettings = {
  numInferenceSteps: 5,
  eta: 0.5,
  stochasticSteps: 'all',
  sde: 'flow-grpo',
};
const isNoisy = ({ stdDevT }: StepCoefficients) => stdDevT > 0;

describe('stochasticCoefficients', () => {
  const schedule = scheduleWith();
  const noisy = samplerCoefficients(schedule, 5, 0.5);
  const ode = samplerCoefficients(schedule, 5, 0);

  it('should be those of eta at all steps, at the trained ones alone, or at none', () => {
    const of = (stochasticSteps: StochasticSettings['stochasticSteps']) =>
      stochasticCoefficients(schedule, { ...SETTINGS, stochasticSteps }, [1, 3]);
    expect(noisy.every(isNoisy)).toBe(true);
    expect(of('all')).toEqual(noisy);
    expect(of('trained')).toEqual([ode[0], noisy[1], ode[2], noisy[3], ode[4]]);
    expect(of('none')).toEqual(ode);
    expect(ode.some(isNoisy)).toBe(false);
  });

  it('should take the SDE of a flow at the trained steps, and the ODE at the others', () => {
    const flow = flowSchedule();
    const settings = { ...SETTINGS, eta: 0.3, sde: 'dance-grpo', stochasticSteps: 'trained' } as const;
    const [first, second] = stochasticCoefficients(flow, settings, [1]);
    const [level, next] = [first, second].map((step) => (step?.timestep ?? Number.NaN) / 1000) as [
      number,
      number,
    ];
    expect(first).toMatchObject({ stdDevT: 0, sampleCoefficient: 1 });
    expect(first?.outputCoefficient).toBeCloseTo(next - level, 12);
    // DanceGRPO: std = g √(-dt), with g = eta at every noise level.
    const dt = (second?.prevTimestep ?? Number.NaN) / 1000 - next;
    expect(second?.stdDevT).toBeCloseTo(0.3 * Math.sqrt(-dt), 12);
  });
});

describe('noisySteps', () => {
  it.each([
    ['ends at the least noisy timestep', scheduleWith(), 20],
    ['ends at the clean picture', scheduleWith({ setAlphaToOne: true }), 19],
    ['leaves timestep 0', scheduleWith({ stepsOffset: 0 }), 19],
    ['leaves timestep 0 for the clean picture', scheduleWith({ stepsOffset: 0, setAlphaToOne: true }), 19],
    ['is spaced from the end', scheduleWith({ timestepSpacing: 'trailing', stepsOffset: 0 }), 20],
    [
      'is spaced from the end, to the clean picture',
      scheduleWith({ timestepSpacing: 'trailing', setAlphaToOne: true }),
      19,
    ],
    ['is spaced over both ends', scheduleWith({ timestepSpacing: 'linspace' }), 19],
    ['is a flow', flowSchedule(), 20],
  ])('should count the steps that draw noise of a schedule that %s', (_, schedule, expected) => {
    expect(noisySteps(schedule, 20)).toBe(expected);
  });

  it('should leave out the last step of a flow under cps', () => {
    expect(noisySteps(flowSchedule(), 20, 'cps')).toBe(19);
  });
});

describe('rollouts with noise at some steps', () => {
  let tiny: OpenTiny;
  beforeAll(async () => {
    tiny = await openTiny();
  });
  afterAll(() => tiny.close());

  async function rollout(
    settings: Partial<SamplerSettings>,
    trainedSteps: readonly number[],
  ): Promise<SampledGroup> {
    const { sampler } = halvingSampler(tiny.pipeline, { guidanceScale: 1, ...settings });
    const [group] = await sampler.rollout([{ groupIndex: 3, prompt: TINY_PROMPTS[0] ?? '' }], trainedSteps);
    return group as SampledGroup;
  }
  const distinct = (group: SampledGroup) =>
    new Set(group.branches.map(({ trajectory }) => trajectory.latents.join())).size;

  it('should draw noise at the trained steps, and go on without it', async () => {
    const { branches } = await rollout({ stochasticSteps: 'trained' }, [1, 2]);
    const ode = samplerCoefficients(tiny.pipeline.schedule, 5, 0);
    expect(new Set(branches.map(({ image }) => image.join())).size).toBe(3);
    for (const { trajectory } of branches) {
      const [first, second, ...rest] = trajectory.logProbs;
      expect(Math.abs(first ?? 0)).toBeGreaterThan(0.01);
      expect(Math.abs(second ?? 0)).toBeGreaterThan(0.01);
      expect(rest).toEqual([0, 0]);
      const row = (step: number) => trajectory.latents.subarray((step - 1) * ROW, step * ROW);
      for (const step of [3, 4]) {
        const { nextLatents } = ddimStep({
          latents: row(step),
          modelOutput: row(step).map((value) => value / 2),
          noise: null,
          coefficients: ode[step] as StepCoefficients,
          batchSize: 1,
        });
        expect(row(step + 1)).toEqual(nextLatents);
      }
    }
  });

  it('should come to the first trained step by the same path whatever the noise', async () => {
    const settings = { stochasticSteps: 'trained', numBranches: 1 } as const;
    const [loud, quiet] = [
      await rollout({ ...settings, eta: 1 }, [3]),
      await rollout({ ...settings, eta: 0.5 }, [3]),
    ];
    const [one, other] = [loud, quiet].map(
      ({ branches: [branch] }) => branch?.trajectory.latents ?? new Float32Array(),
    );
    expect(one?.subarray(0, ROW)).toEqual(other?.subarray(0, ROW));
    expect(one?.subarray(ROW)).not.toEqual(other?.subarray(ROW));
  });

  it('should make branches alike that part without noise: at no noise at all, or after it', async () => {
    const silent = await rollout({ stochasticSteps: 'none' }, stepsFrom(2));
    expect(distinct(silent)).toBe(1);
    expect(silent.branches.flatMap(({ trajectory }) => [...trajectory.logProbs])).toEqual(
      new Array(9).fill(0),
    );
    const late = { stochasticSteps: 'trained', forkPlan: 'steps', numBranches: 2 } as const;
    const after = await rollout({ ...late, forkSteps: [3] }, [1, 2]);
    expect(after.branches).toHaveLength(2);
    expect(after.branches[1]?.image).toEqual(after.branches[0]?.image);
    const within = await rollout({ ...late, forkSteps: [2] }, [1, 2]);
    expect(within.branches[1]?.image).not.toEqual(within.branches[0]?.image);
  });

  it('should leave independent branches apart that draw no noise', async () => {
    const group = await rollout({ stochasticSteps: 'none', forkPlan: 'independent' }, stepsFrom(0));
    expect(distinct(group)).toBe(TINY_SAMPLER.numBranches);
  });
});
