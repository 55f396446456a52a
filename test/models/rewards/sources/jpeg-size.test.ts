import { describe, expect, it } from 'vitest';
import { openReward } from '../../../../src/models/rewards/index.js';
import { rewardContext, unaborted } from '../../../fixtures/reward-context.js';
import { pictureOf, planesOf, REWARD_IMAGES } from '../../../fixtures/reward-images.js';

const sized = REWARD_IMAGES.jpeg.filter(({ height, quality }) => height === 64 && quality === 95);
const images = sized.map((picture) => planesOf(pictureOf(picture)));
const context = () => rewardContext({ imageShape: [3, 64, 48] });
const pictures = { prompt: 'whatever', images };

describe('jpeg-compressibility and jpeg-incompressibility', () => {
  it('should be the kilobytes that DDPO measures, with the sign that each names', async () => {
    const kilobytes = sized.map(({ bytes }) => bytes / 1000);
    expect(kilobytes).toHaveLength(2);
    const loss = await openReward({ from: 'jpeg-compressibility', quality: 95 }, context());
    const gain = await openReward({ from: 'jpeg-incompressibility', quality: 95 }, context());
    expect(await gain.score(pictures, unaborted())).toEqual({ rewards: kilobytes, features: null });
    expect((await loss.score(pictures, unaborted())).rewards).toEqual(kilobytes.map((value) => -value));
  });

  it('should take another quality', async () => {
    const { bytes } = REWARD_IMAGES.jpeg.find(({ height, quality }) => height === 64 && quality === 50) ?? {};
    const scorer = await openReward({ from: 'jpeg-incompressibility', quality: 50 }, context());
    expect((await scorer.score(pictures, unaborted())).rewards[0]).toBe((bytes ?? 0) / 1000);
  });
});
