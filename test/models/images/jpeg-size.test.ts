import { describe, expect, it } from 'vitest';
import { jpegSize } from '../../../src/models/images/jpeg-size.js';
import { pictureOf, REWARD_IMAGES } from '../../fixtures/reward-images.js';

describe('jpegSize', () => {
  it.each(REWARD_IMAGES.jpeg)(
    'should be what Pillow writes: $height x $width, grain $grain, quality $quality',
    async ({ quality, bytes, ...picture }) => {
      expect(await jpegSize(pictureOf(picture), quality)).toBe(bytes);
    },
  );
});
