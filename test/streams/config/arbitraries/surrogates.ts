/** @file Settings of every surrogate; one that is missing here does not compile. */
import fc from 'fast-check';
import { createSurrogate, type SurrogateSettings } from '../../../../src/models/objectives/index.js';
import { count, nonNegative, positive, share } from './numbers.js';

type Type = Exclude<SurrogateSettings['type'], 'module'>;
type Settings<Name extends Type> = Extract<SurrogateSettings, { type: Name }>;

const clipRange = share;
const advClipMax = positive;
const klWeight = nonNegative;
const timestepsPerSample = count(9);

const BY_TYPE: { readonly [Name in Type]: fc.Arbitrary<Omit<Settings<Name>, 'type'>> } = {
  'ddpo-is': fc.record({ clipRange, advClipMax }),
  'ddpo-sf': fc.record({ advClipMax }),
  dpok: fc.record({ rewardWeight: positive, klWeight, kl: fc.constantFrom('eps-mse', 'exact'), clipRange }),
  d3po: fc.record({ preferenceBeta: positive, clipRange }),
  grpo: fc.record({ clipRange, advClipMax, klWeight, kl: fc.constantFrom('exact', 'velocity') }),
  'grpo-guard': fc.record({ clipRange, advClipMax }),
  'diffusion-nft': fc.record({ mixtureBeta: share, advClipMax, klWeight, timestepsPerSample }),
  'diffusion-dpo': fc.record({ preferenceBeta: positive, timestepsPerSample }),
  awm: fc.record({
    likelihood: fc.constantFrom('squared-error', 'ghuber'),
    clipRange,
    advClipMax,
    klWeight,
    timestepsPerSample,
  }),
  'reward-weighted': fc.record({
    weighting: fc.constantFrom('exponential', 'threshold'),
    inverseTemperature: positive,
    timestepsPerSample,
  }),
  sft: fc.record({ form: fc.constantFrom('kl-d', 'kl-o'), gamma: nonNegative, timestepsPerSample }),
};

/** The settings of any surrogate. */
export const surrogate: fc.Arbitrary<SurrogateSettings> = fc.oneof(
  ...Object.entries(BY_TYPE).map(([type, settings]) =>
    (settings as fc.Arbitrary<object>).map((rest) => ({ type, ...rest }) as SurrogateSettings),
  ),
);

/** Settings of surrogates that are trained on `steps`, `pairs` or `denoising`. */
export const surrogateOf = (...kinds: readonly ReturnType<typeof createSurrogate>['trainsOn'][]) =>
  surrogate.filter((settings) => kinds.includes(createSurrogate(settings).trainsOn));
