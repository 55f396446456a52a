/** @file The thread in which pictures are scored. What the verifier measures never reaches the trainer. */

import { TributaryError } from '../../../errors.js';
import type { Engine, EngineOptions } from '../../../models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../../models/engines/onnxruntime/engine.js';
import type { PictureSize } from '../../../models/pipeline/picture-size.js';
import { openPipeline } from '../../../models/pipeline/pipeline.js';
import { meanPairwiseDistance } from '../../../models/rewards/contract/features.js';
import type {
  PicturesOfPrompt,
  RewardScorer,
  RunsOn,
} from '../../../models/rewards/contract/reward-scorer.js';
import { openReward } from '../../../models/rewards/index.js';
import { IMAGE_SHAPE } from '../../../models/shapes/networks/network-sizes.js';
import { verify } from '../../../models/shapes/pictures/verifier.js';
import { parsePromptOrNull } from '../../../models/shapes/prompts/parse-prompt.js';
import { serveThread } from '../../../models/threads/thread.js';
import type { PartRewards } from '../../../operators/index.js';
import type { GoldSettings, ScoringSettings } from '../../config/resolved/reward-parts.js';
import { openedOnce } from '../shared/open-thread.js';

interface RewardThreadSettings {
  readonly engine: EngineOptions;
  /** Where rewards come from. */
  readonly source: ScoringSettings | GoldSettings;
  /** Pipeline folder, whose tokenizer a reward model shares. */
  readonly pipeline: string;
  /** Of pictures of training. */
  readonly size: PictureSize;
  /** As in a config's `model`. */
  readonly extraChannels: readonly number[] | undefined;
  readonly verifier: 'shapes' | 'none';
  /** [C, H, W] of the pictures; null where the pipeline has to be asked. */
  readonly imageShape: readonly [number, number, number] | null;
}

export interface Scores {
  /** One a picture. */
  readonly rewards: readonly number[];
  /** What they were combined from; absent where they come from one source. */
  readonly parts?: readonly PartRewards[];
  /** What the verifier says, one a picture; null where there is none, or it cannot read the prompt. */
  readonly verdicts: readonly { readonly satisfied: boolean; readonly score: number }[] | null;
  /** Mean pairwise distance (1 - cosine) of the pictures' features; null where the reward gives none. */
  readonly diversity: number | null;
}

export interface OpenedReward {
  /** What the reward model runs on; null where a service elsewhere scores. */
  readonly runsOn: RunsOn | null;
  /** [C, H, W] of the pictures that are scored. */
  readonly imageShape: ImageShape;
}

interface SizedPictures extends PicturesOfPrompt {
  /** [C, H, W] of each; absent where it is that of training. */
  readonly imageShape?: ImageShape;
}

export interface RewardService {
  open(settings: RewardThreadSettings): Promise<OpenedReward>;
  score(pictures: SizedPictures, signal: AbortSignal): Promise<Scores>;
}

const opened = openedOnce('reward', async (settings: RewardThreadSettings) => {
  const imageShape = settings.imageShape ?? (await imageShapeOf(settings));
  if (settings.verifier === 'shapes') requireShapesPictures(imageShape);
  const scorer = await openScorer(settings, imageShape);
  return { settings, imageShape, scorer, others: new Map<string, Promise<RewardScorer>>() };
});

/** The scorer for pictures of a size; for another one than in training it is opened when it is first asked. */
async function scorerFor(shape: ImageShape | undefined): Promise<RewardScorer> {
  const { settings, imageShape, scorer, others } = opened.value();
  if (shape === undefined || shape.join() === imageShape.join()) return scorer;
  if (settings.verifier === 'shapes') requireShapesPictures(shape);
  const opening = others.get(shape.join()) ?? openScorer(settings, shape);
  others.set(shape.join(), opening);
  return opening;
}

type ImageShape = NonNullable<RewardThreadSettings['imageShape']>;

/** Opens the pipeline just to ask it. */
async function imageShapeOf({
  engine: options,
  pipeline: folder,
  size,
  extraChannels,
}: RewardThreadSettings): Promise<ImageShape> {
  const engine = createOnnxRuntimeEngine(options);
  try {
    return await (await openPipeline(engine, folder, { size, extraChannels })).imageShape();
  } finally {
    await engine.close();
  }
}

/** Opens the source. All its graphs share an engine, which closes with it. */
async function openScorer(
  { source, engine: options, pipeline }: RewardThreadSettings,
  imageShape: ImageShape,
): Promise<RewardScorer> {
  let started: Engine | undefined;
  const engine = () => {
    started ??= createOnnxRuntimeEngine(options);
    return started;
  };
  try {
    const { maxMagnitude } = source;
    const context = { engine, pipeline, imageShape, maxMagnitude, environment: process.env };
    const scorer = await openReward(source, context);
    return {
      ...scorer,
      async close() {
        await scorer.close();
        await started?.close();
      },
    };
  } catch (error) {
    await started?.close();
    throw error;
  }
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
    const { scorer, imageShape } = await opened.open(settings);
    return { runsOn: scorer.runsOn, imageShape };
  },
  async score({ imageShape, ...pictures }, signal) {
    const { settings } = opened.value();
    const { prompt, images } = pictures;
    const scorer = await scorerFor(imageShape);
    const { rewards, features } = await scorer.score(pictures, signal);
    const wanted = settings.verifier === 'shapes' ? parsePromptOrNull(prompt) : null;
    return {
      rewards,
      verdicts: wanted
        ? images.map((image) => verify(image, wanted)).map(({ satisfied, score }) => ({ satisfied, score }))
        : null,
      diversity: features && meanPairwiseDistance(features),
    };
  },
};

serveThread(service, async () => {
  const { scorer, others } = opened.current() ?? {};
  await scorer?.close();
  for (const other of others?.values() ?? []) await (await other).close();
});
