/** @file What it gains to roll out several groups as one batch. */

import { createOnnxRuntimeEngine } from '../dist/models/engines/onnxruntime/engine.js';
import { openDenoiser } from '../dist/models/pipeline/denoiser.js';
import { openPipeline } from '../dist/models/pipeline/pipeline.js';
import { initialParameters } from '../dist/models/policy/adapter-parameters.js';
import { createSampler, denoiserRows } from '../dist/models/rollouts/sampler.js';
import { medianSeconds } from './timing.mjs';

const LORA = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: 4, alpha: 4 };
const PROMPT = 'a red circle above a blue square';
const SETTINGS = {
  seed: 1,
  numInferenceSteps: 10,
  guidanceScale: 2,
  eta: 1,
  stochasticSteps: 'all',
  sde: 'flow-grpo',
  forkPlan: 'interval',
  forkSteps: [],
  numBranches: 4,
  latentsDtype: 'float32',
  noiseFor: 'training',
};
const TRAINED_STEPS = [3, 4, 5, 6, 7, 8, 9];

/** Seconds for the same groups: as one batch, and one group after another. */
export async function benchRollouts({ pipeline: path, groups, threads, repetitions }) {
  const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads });
  try {
    const pipeline = await openPipeline(engine, path);
    const requests = Array.from({ length: groups }, (_, groupIndex) => ({ groupIndex, prompt: PROMPT }));
    const samplerFor = async (groupsPerBatch) => {
      const settings = { ...SETTINGS, groupsPerBatch };
      const denoiser = await openDenoiser(engine, pipeline, {
        lora: LORA,
        rows: denoiserRows(settings, TRAINED_STEPS),
      });
      await denoiser.usePolicy(initialParameters(denoiser.adapters, LORA, 1));
      return createSampler(pipeline, denoiser, settings);
    };
    const together = await samplerFor(groups);
    const single = await samplerFor(1);
    return await medianSeconds(
      [
        { name: 'oneBatch', run: () => together.rollout(requests, TRAINED_STEPS) },
        {
          name: 'oneByOne',
          run: async () => {
            for (const request of requests) await single.rollout([request], TRAINED_STEPS);
          },
        },
      ],
      repetitions,
    );
  } finally {
    await engine.close();
  }
}
