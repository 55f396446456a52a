import type { GivenSize, PictureSize } from '../../../models/pipeline/picture-size.js';
import { counterRandom } from '../../../models/random/counter-random.js';
import { sizeName } from '../../../models/rollouts/sized-sampler.js';
import { type PromptMetadata, sizePart } from '../../../prompt-metadata.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';
import { stageOf } from './stage-of.js';

/** Where pictures of training have one size, that size, as far as a config says it; else the first bucket. */
export function sizeOf(config: ResolvedConfig): PictureSize {
  const { width, height, buckets } = stageOf(config, 'sampler');
  return buckets?.[0] ?? { width, height };
}

/** The sizes of the pictures of training where a config has several; none where they have one. */
export function bucketsOf(config: ResolvedConfig): readonly GivenSize[] {
  const { buckets = [] } = stageOf(config, 'sampler');
  return buckets.map(({ width, height }) => ({ width, height }));
}

/**
 * Returns `{ size }` of the pictures of a group, or `{}` where all have one size. It is that which the prompt asks for, else
 * bucket i with probability w_i / Σ w. The draw is a function of the seed and the group's index: it is the same whoever draws,
 * in whatever order, and after a crash.
 */
export function sizeOfGroup(
  config: ResolvedConfig,
  { groupIndex: group, metadata }: { readonly groupIndex: number; readonly metadata?: PromptMetadata },
): { readonly size?: GivenSize } {
  const { buckets = [] } = stageOf(config, 'sampler');
  if (buckets.length === 0) return {};
  const { size } = sizePart(metadata);
  if (size) return { size };
  const point = counterRandom({ seed: config.seed, purpose: 'picture-size', group }).uniform();
  let rest = point * buckets.reduce((sum, { weight }) => sum + weight, 0);
  const found = buckets.find(({ weight }) => {
    rest -= weight;
    return rest < 0;
  });
  // Where rounding leaves a rest, it is the last that can be drawn.
  const drawn = found ?? buckets.findLast(({ weight }) => weight > 0) ?? buckets[0];
  return drawn ? { size: { width: drawn.width, height: drawn.height } } : {};
}

/**
 * Returns the check of `width` and `height` in the metadata of prompts, as a phrase `expected ..., got ...`; null if nothing is
 * wrong: they must be a bucket.
 */
export function promptSizeFault(
  config: ResolvedConfig,
): (prompt: { readonly metadata?: PromptMetadata }) => string | null {
  const names = bucketsOf(config).map(sizeName);
  const expected =
    names.length === 0
      ? 'expected no width and height in the metadata, as stages.sampler.buckets lists no sizes'
      : `expected width and height in the metadata to be one of stages.sampler.buckets, ${names.join(', ')}`;
  return ({ metadata }) => {
    const { size } = sizePart(metadata);
    if (!size || names.includes(sizeName(size))) return null;
    const side = (value: unknown) => (value === undefined ? 'none' : JSON.stringify(value).slice(0, 20));
    return `${expected}, got width ${side(metadata?.width)} and height ${side(metadata?.height)}`;
  };
}
