/** @file How well pictures compress as JPEG: DDPO's rewards that need no model, whatever the prompt. */

import { integer } from '../../../fields.js';
import { jpegSize, toRgb8 } from '../../images/picture.js';
import type { RewardScorer } from '../contract/reward-scorer.js';
import { defineRewardSource, type RewardContext } from '../contract/reward-source.js';

const fields = {
  quality: integer(1, 100).default(95).describe('JPEG quality. DDPO uses 95.'),
};

/** Scores by kilobytes, 1000 bytes each, times `sign`. */
function kilobytes(sign: 1 | -1) {
  return async (
    { quality }: { readonly quality: number },
    { imageShape }: RewardContext,
  ): Promise<RewardScorer> => ({
    runsOn: null,
    async score({ images }) {
      const rewards: number[] = [];
      for (const image of images) {
        const bytes = await jpegSize(toRgb8(image, imageShape[1], imageShape[2]), quality);
        rewards.push((sign * bytes) / 1000);
      }
      return { rewards, features: null };
    },
    close: async () => {},
  });
}

/** r = -(bytes of the JPEG) / 1000 (Black et al. 2023; ddpo-pytorch ddpo_pytorch/rewards.py, jpeg_compressibility). */
export const jpegCompressibility = defineRewardSource({
  name: 'jpeg-compressibility',
  summary:
    "DDPO's compressibility: minus the size of the picture as JPEG, in kilobytes of 1000 bytes. The prompt does not matter.",
  fields,
  create: kilobytes(-1),
});

/** r = (bytes of the JPEG) / 1000 (jpeg_incompressibility of the same file). */
export const jpegIncompressibility = defineRewardSource({
  name: 'jpeg-incompressibility',
  summary:
    "DDPO's incompressibility: the size of the picture as JPEG, in kilobytes of 1000 bytes. The prompt does not matter.",
  fields,
  create: kilobytes(1),
});
