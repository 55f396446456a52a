/** @file The model that ships: plausible, badly aligned, and with a reward that agrees with the verifier. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openPipeline } from '../../../src/models/pipeline/pipeline.js';
import { initialParameters } from '../../../src/models/policy/adapter-parameters.js';
import { cosine } from '../../../src/models/rewards/contract/features.js';
import { openDualEncoder } from '../../../src/models/rewards/encoders/dual-encoder.js';
import { createSampler, denoiserRows, type SamplerSettings } from '../../../src/models/rollouts/sampler.js';
import { IMAGE_SHAPE } from '../../../src/models/shapes/networks/network-sizes.js';
import { verify } from '../../../src/models/shapes/pictures/verifier.js';
import { parsePrompt } from '../../../src/models/shapes/prompts/parse-prompt.js';
import { promptTexts } from '../../fixtures/listed-prompts.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { RUNS_ALL } from '../../fixtures/test-all.js';

const LORA = { pattern: 'attn1/to_q', rank: 1, alpha: 1 };
const IMAGES_PER_PROMPT = RUNS_ALL ? 3 : 1;
/** What the presets sample with. */
const SETTINGS: SamplerSettings = {
  seed: 1,
  numInferenceSteps: 10,
  guidanceScale: 2,
  eta: 1,
  stochasticSteps: 'all',
  sde: 'flow-grpo',
  forkPlan: 'independent',
  forkSteps: [],
  numBranches: 1,
  groupsPerBatch: 36,
  latentsDtype: 'float32',
  noiseFor: 'evaluation',
};

interface Judged {
  readonly template: string;
  readonly satisfied: boolean;
  readonly reward: number;
}

let engine: Engine;
let judged: readonly Judged[];
beforeAll(async () => {
  engine = sharedEngine();
  const pipeline = await openPipeline(engine, 'models/shapes');
  const denoiser = await openDenoiser(engine, pipeline, {
    lora: LORA,
    rows: denoiserRows(pipeline, SETTINGS, []),
  });
  await denoiser.usePolicy(initialParameters(denoiser.adapters, LORA, 1));
  const sampler = createSampler(pipeline, denoiser, SETTINGS);
  const reward = await openDualEncoder(engine, 'models/shapes/reward', {
    tokenizer: pipeline.tokenizer,
    batchSize: 36,
    imageShape: IMAGE_SHAPE,
  });
  const prompts = await promptTexts('models/shapes/prompts/train.txt');
  const requests = prompts.flatMap((prompt, row) =>
    Array.from({ length: IMAGES_PER_PROMPT }, (_, image) => ({
      groupIndex: row * IMAGES_PER_PROMPT + image,
      prompt,
    })),
  );
  const found: Judged[] = [];
  for (let start = 0; start < requests.length; start += SETTINGS.groupsPerBatch) {
    const batch = requests.slice(start, start + SETTINGS.groupsPerBatch);
    const images = (await sampler.rollout(batch, [])).flatMap(({ branches }) =>
      branches.map(({ image }) => image),
    );
    const features = await reward.imageFeatures(images);
    for (const [index, { prompt }] of batch.entries()) {
      const parsed = parsePrompt(prompt);
      found.push({
        template: parsed.template,
        satisfied: verify(images[index] as Float32Array, parsed).satisfied,
        reward: cosine(features[index] as Float32Array, await reward.textFeatures(prompt)),
      });
    }
  }
  judged = found;
}, 120_000);
afterAll(() => engine.close());

describe('models/shapes', () => {
  it('should satisfy between 35 % and 65 % of the training prompts', () => {
    const share = judged.filter(({ satisfied }) => satisfied).length / judged.length;
    expect(share).toBeGreaterThan(0.35);
    expect(share).toBeLessThan(0.65);
  });

  it.each(['binding', 'counting', 'relation'])(
    'should leave something to learn and to learn from in %s prompts',
    (wanted) => {
      const ofTemplate = judged.filter(({ template }) => template === wanted);
      const share = ofTemplate.filter(({ satisfied }) => satisfied).length / ofTemplate.length;
      expect(share).toBeGreaterThan(0.25);
      expect(share).toBeLessThan(0.95);
    },
  );

  it('should come with a reward that puts pictures which satisfy their prompt above the others', () => {
    const rewards = (wanted: boolean) =>
      judged.filter(({ satisfied }) => satisfied === wanted).map(({ reward }) => reward);
    const [good, bad] = [rewards(true), rewards(false)];
    const above = good.reduce((sum, reward) => sum + bad.filter((other) => other < reward).length, 0);
    expect(above / (good.length * bad.length)).toBeGreaterThan(0.85);
  });
});
