import { join } from 'node:path';
import { loadTokenizer } from '../diffusion/tokenizer.js';
import type { EngineOptions } from '../engines/engine.js';
import { createOnnxRuntimeEngine } from '../engines/onnxruntime/engine.js';
import { openDualEncoder } from './dual-encoder.js';
import { cosine } from './features.js';
import type { RewardScorer } from './reward-scorer.js';

export interface DualEncoderRewardSettings {
  readonly engine: EngineOptions;
  /** Folder of the reward model. */
  readonly model: string;
  /** Pipeline folder, whose tokenizer the reward model shares. */
  readonly pipeline: string;
  readonly batchSize: number;
  readonly imageShape: readonly [number, number, number];
}

/** Opens a dual encoder as reward: the cosine between each picture and the prompt. */
export async function openDualEncoderReward(settings: DualEncoderRewardSettings): Promise<RewardScorer> {
  const { model, pipeline, batchSize, imageShape } = settings;
  const engine = createOnnxRuntimeEngine(settings.engine);
  const tokenizer = loadTokenizer(join(pipeline, 'tokenizer'));
  const encoder = await openDualEncoder(engine, model, tokenizer, batchSize);
  return {
    runsOn: { provider: encoder.provider, fallbacks: encoder.fallbacks },
    async score({ prompt, images }) {
      const text = await encoder.textFeatures(prompt);
      const features = await encoder.imageFeatures(images, imageShape);
      return { rewards: features.map((feature) => cosine(feature, text)), features };
    },
    close: () => engine.close(),
  };
}
