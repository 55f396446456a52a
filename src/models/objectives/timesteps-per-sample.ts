/** @file The setting that all surrogates of the forward process share. */

import { integer } from '../../fields.js';

/** Timesteps at which every picture is noised anew in an update. */
export const timestepsPerSampleField = (timesteps: number) =>
  integer(1)
    .default(timesteps)
    .describe('Timesteps at which each sampled picture is noised anew and trained on, in every update.');
