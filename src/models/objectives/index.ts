/** @file The surrogates, one line each. */

import { Catalog, type SettingsOf } from '../../catalog.js';
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

export const SURROGATES = new Catalog('type', [
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
]);

/** Settings of a surrogate, as a config holds them: `{ type: 'ddpo-is', clipRange: 1e-4, ... }`. */
export type SurrogateSettings = SettingsOf<typeof SURROGATES>;

export const createSurrogate = (settings: SurrogateSettings): Surrogate => SURROGATES.create(settings);
