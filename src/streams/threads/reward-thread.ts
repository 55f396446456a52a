/** @file The thread in which pictures are scored. The verifier measures beside the reward and never reaches the trainer. */

import { join } from 'node:path';
import { TributaryError } from '../../errors.js';
import { openPipeline } from '../../models/diffusion/pipeline.js';
import { loadTokenizer } from '../../models/diffusion/tokenizer.js';
import type { Engine, EngineOptions, Provider } from '../../models/engines/engine.js';
import { createOnnxRuntimeEngine } from '../../models/engines/onnxruntime/engine.js';
import { serveThread } from '../../models/engines/thread.js';
import { cosine, meanPairwiseDistance, openDualEncoder } from '../../models/rewards/dual-encoder.js';
import { IMAGE_SHAPE } from '../../models/shapes/networks.js';
import { parsePrompt } from '../../models/shapes/parse-prompt.js';
import { verify } from '../../models/shapes/verifier.js';
import { openedOnce } from './opened-once.js';

export interface RewardThreadSettings {
  readonly engine: EngineOptions;
  /** Folder of the reward model. */
  readonly model: string;
  /** Pipeline folder, whose tokenizer the reward model shares. */
  readonly pipeline: string;
  readonly batchSize: number;
  readonly verifier: 'shapes' | 'none';
  /** [C, H, W] of the pictures; null where the pipeline has to say. */
  readonly imageShape: readonly [number, number, number] | null;
}

/** Pictures of one prompt. */
export interface PicturesOfPrompt {
  readonly prompt: string;
  readonly images: readonly Float32Array[];
}

export interface Scores {
  /** Cosine of picture and prompt, one a picture. */
  readonly rewards: readonly number[];
  /** What the verifier says, one a picture; null where there is none. */
  readonly verdicts: readonly { readonly satisfied: boolean; readonly score: number }[] | null;
  /** Mean pairwise distance (1 - cosine) of the pictures' features. */
  readonly diversity: number;
}

export interface RewardService {
  open(
    settings: RewardThreadSettings,
  ): Promise<{ readonly provider: Provider; readonly fallbacks: readonly string[] }>;
  score(pictures: PicturesOfPrompt): Promise<Scores>;
}

const opened = openedOnce('reward', async (settings: RewardThreadSettings) => {
  const engine = createOnnxRuntimeEngine(settings.engine);
  const imageShape = settings.imageShape ?? (await imageShapeOf(engine, settings.pipeline));
  if (settings.verifier === 'shapes') requireShapesPictures(imageShape);
  const tokenizer = loadTokenizer(join(settings.pipeline, 'tokenizer'));
  return {
    settings,
    imageShape,
    engine,
    encoder: await openDualEncoder(engine, settings.model, tokenizer, settings.batchSize),
  };
});

async function imageShapeOf(engine: Engine, folder: string): Promise<readonly [number, number, number]> {
  const pipeline = await openPipeline(engine, folder);
  const imageShape = await pipeline.imageShape();
  await pipeline.release();
  return imageShape;
}

/** The verifier reads pictures of one size. */
function requireShapesPictures(imageShape: readonly number[]): void {
  if (imageShape.join() === IMAGE_SHAPE.join()) return;
  throw new TributaryError(
    'TRIB_CONFIG',
    `evaluation.verifier shapes: expected pictures of [${IMAGE_SHAPE.join(', ')}], got [${imageShape.join(', ')}]. Set evaluation.verifier: none.`,
  );
}

const service: RewardService = {
  async open(settings) {
    const { encoder } = await opened.open(settings);
    return { provider: encoder.provider, fallbacks: encoder.fallbacks };
  },
  async score({ prompt, images }) {
    const { settings, encoder, imageShape } = opened.value();
    const text = await encoder.textFeatures(prompt);
    const features = await encoder.imageFeatures(images, imageShape);
    const wanted = settings.verifier === 'shapes' ? parsePrompt(prompt) : undefined;
    return {
      rewards: features.map((feature) => cosine(feature, text)),
      verdicts: wanted
        ? images.map((image) => verify(image, wanted)).map(({ satisfied, score }) => ({ satisfied, score }))
        : null,
      diversity: meanPairwiseDistance(features),
    };
  },
};

serveThread(service, async () => opened.current()?.engine.close());
