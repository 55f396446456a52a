/** @file The surrogates, one line each. */

import * as z from 'zod';
import { Catalog, type SettingsOf } from '../../catalog.js';
import { section } from '../../fields.js';
import { type OwnSettings, ownFields, withOwnOptions } from '../../own-entries.js';
import { awm } from './awm.js';
import { d3po } from './d3po.js';
import { ddpoIs } from './ddpo-is.js';
import { ddpoSf } from './ddpo-sf.js';
import { diffusionDpo } from './diffusion-dpo.js';
import { diffusionNft } from './diffusion-nft.js';
import { dpok } from './dpok.js';
import { grpo } from './grpo.js';
import { grpoGuard } from './grpo-guard.js';
import { klRegularizedSft } from './kl-regularized-sft.js';
import { createOwnSurrogate } from './own-surrogate.js';
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
  diffusionDpo,
  awm,
  rewardWeighted,
  klRegularizedSft,
]);

const ownSurrogate = withOwnOptions(
  section({
    type: z.literal('module').describe('Your own, exported by a JavaScript module (docs/own-modules.md).'),
    ...ownFields,
  }),
);

/** The settings of any surrogate, as they stand in a config. */
export const surrogateSchema = z.discriminatedUnion('type', [...SURROGATES.schema().options, ownSurrogate], {
  error: 'a mapping',
});

/** Settings of a surrogate, as a config holds them: `{ type: 'ddpo-is', clipRange: 1e-4, ... }`. */
export type SurrogateSettings = SettingsOf<typeof SURROGATES> | (OwnSettings & { readonly type: 'module' });

export const createSurrogate = (settings: SurrogateSettings): Surrogate =>
  settings.type === 'module' ? createOwnSurrogate(settings) : SURROGATES.create(settings);
