/**
 * @file Two derivations of every gradient: this program's backward graph on onnxruntime, and the tape of TensorFlow.js over
 * the forward graph. Each surrogate trains on rollouts of the shapes model and of the small Stable Diffusion folders.
 */

import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../../../src/models/engines/onnxruntime/engine.js';
import { createTfjsEngine } from '../../../../src/models/engines/tfjs/engine.js';
import {
  createSurrogate,
  SURROGATES,
  type SurrogateSettings,
} from '../../../../src/models/objectives/index.js';
import type { NamedArrays } from '../../../../src/models/optimizers/adamw.js';
import { openPipeline } from '../../../../src/models/pipeline/pipeline.js';
import type { SamplerSettings } from '../../../../src/models/rollouts/sampler.js';
import { type OpenTiny, openTinyTrainer, stepsFrom, TINY_SAMPLER } from '../../../fixtures/open-tiny.js';
import { sampleTiny, stageOf, type TinyRound } from '../../../fixtures/sample-tiny.js';
import { RUN_BACKEND } from '../../../fixtures/tfjs-backends.js';

const TOLERANCE = 1e-4;
/** Two derivations on the same kernels. */
const SAME_KERNELS = 1e-5;
const TRAINED_STEPS = stepsFrom(3);
const PICTURES: Partial<SamplerSettings> = {
  forkPlan: 'independent',
  stochasticSteps: 'none',
  guidanceScale: 1,
};

const FOLDERS = [
  ['the shapes model', 'models/shapes'],
  ...['sd1', 'sd2', 'sdxl'].map((name) => [name, `test/fixtures/stable-diffusion/${name}`] as const),
] as const;

/** With defaults, and bands so wide that a ratio off 1 leaves none of them. */
const SETTINGS = SURROGATES.entries.map(({ name, fields }) => {
  const settings = { type: name, ...z.object(fields as z.core.$ZodLooseShape).parse({}) };
  return { ...settings, ...('clipRange' in settings && { clipRange: 0.5 }) } as SurrogateSettings;
});

/** |a - b| / |b|, as vectors. */
function relativeError(found: ArrayLike<number> | undefined, expected: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const value = expected[i] ?? Number.NaN;
    error += ((found?.[i] ?? Number.NaN) - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(error / size);
}

describe.each(FOLDERS.filter(([, folder]) => existsSync(folder)))(
  'gradients of both engines: %s',
  (_, folder) => {
    let onnxRuntime: OpenTiny;
    let tfjs: OpenTiny;
    let trajectories: TinyRound;
    let pictures: TinyRound;

    beforeAll(async () => {
      const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
      const other: Engine = createTfjsEngine({ backends: [RUN_BACKEND], threads: 1, gradients: 'tape' });
      const pipeline = await openPipeline(engine, folder);
      onnxRuntime = { engine, pipeline, close: () => engine.close() };
      tfjs = { engine: other, pipeline, close: () => other.close() };
      trajectories = await sampleTiny(onnxRuntime, {}, TRAINED_STEPS, 0.1);
      pictures = await sampleTiny(onnxRuntime, PICTURES, TRAINED_STEPS, 0.1);
    });
    afterAll(async () => {
      await tfjs.close();
      await onnxRuntime.close();
    });

    /** The loss of a round, and the gradient of every parameter, at another policy than the one that sampled: no ratio is 1. */
    async function gradientsOf(opened: OpenTiny, surrogate: SurrogateSettings) {
      const onPictures = createSurrogate(surrogate).trainsOn === 'denoising';
      const { samples, state } = onPictures ? pictures : trajectories;
      const sampling = { ...TINY_SAMPLER, ...(onPictures ? PICTURES : {}) };
      const trainer = await openTinyTrainer(opened, { surrogate, sampling, maxGradNorm: 1e9 });
      const round = stageOf(samples.slice(0, 3), { trainedSteps: TRAINED_STEPS });
      const moved = { ...state, parameters: scaled(state.parameters, 1.2) };
      const trained = await trainer.train(round, moved);
      await trainer.release();
      expect(trained.statistics.optimizerSteps).toBe(1);
      // After one step the first moment is a tenth of the gradient.
      return { loss: [trained.statistics.policyLoss], gradients: trained.state.optimizer.firstMoments };
    }

    async function expectAgreement(
      found: OpenTiny,
      surrogate: SurrogateSettings,
      tolerance: number,
      reference: OpenTiny,
    ) {
      const expected = await gradientsOf(reference, surrogate);
      const { loss, gradients } = await gradientsOf(found, surrogate);
      expect(relativeError(loss, expected.loss)).toBeLessThan(TOLERANCE);
      expect(Object.keys(expected.gradients).length).toBeGreaterThan(0);
      for (const [name, gradient] of Object.entries(expected.gradients)) {
        expect(Math.hypot(...gradient), name).toBeGreaterThan(0);
        expect(relativeError(gradients[name], gradient), name).toBeLessThan(tolerance);
      }
    }

    it.each(SETTINGS.map((surrogate) => [surrogate.type, surrogate] as const))(
      'should be the same for every LoRA parameter, and the loss: %s',
      async (_, surrogate) => {
        await expectAgreement(tfjs, surrogate, TOLERANCE, onnxRuntime);
      },
    );

    it('should be the same by the backward graph on the same kernels', async () => {
      const engine = createTfjsEngine({ backends: [RUN_BACKEND], threads: 1, gradients: 'graph' });
      onTestFinished(() => engine.close());
      const surrogate = SETTINGS.find(({ type }) => type === 'diffusion-nft') as SurrogateSettings;
      await expectAgreement(tfjs, surrogate, SAME_KERNELS, { ...tfjs, engine });
    });
  },
);

function scaled(parameters: NamedArrays, factor: number): NamedArrays {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, values]) => [name, values.map((value) => value * factor)]),
  );
}
