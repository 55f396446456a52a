/** @file The surrogates, one line each. */

import { awm } from './awm.js';
import { d3po } from './d3po.js';
import { ddpoIs } from './ddpo-is.js';
import { ddpoSf } from './ddpo-sf.js';
import { diffusionNft } from './diffusion-nft.js';
import { dpok } from './dpok.js';
import { grpo } from './grpo.js';
import { grpoGuard } from './grpo-guard.js';
import { klRegularizedSft } from './kl-regularized-sft.js';
import { rewardWeighted } from './reward-weighted.js';
import type { Surrogate } from './surrogate.js';

export const SURROGATES = [
  ddpoIs,
  ddpoSf,
  dpok,
  d3po,
  grpo,
  grpoGuard,
  diffusionNft,
  awm,
  rewardWeighted,
  klRegularizedSft,
] as const;

/** Settings of a surrogate, as a config holds them: `{ type: 'ddpo-is', clipRange: 1e-4, ... }`. */
export type SurrogateSettings = {
  [Spec in (typeof SURROGATES)[number] as Spec['type']]: { readonly type: Spec['type'] } & Readonly<
    Parameters<Spec['create']>[0]
  >;
}[(typeof SURROGATES)[number]['type']];

/** Creates the surrogate that the settings name. */
export function createSurrogate(settings: SurrogateSettings): Surrogate {
  // The settings of a type are what its own `create` takes; the map from type to spec forgets that.
  const spec = SURROGATES.find(({ type }) => type === settings.type) as (typeof SURROGATES)[number];
  return (spec.create as (settings: SurrogateSettings) => Surrogate)(settings);
}
