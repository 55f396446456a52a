import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { pictureSheet } from '../../../src/models/images/picture-sheet.js';

/** A picture of one gray level in 0..255. */
const gray = (level: number, size: number) => new Float32Array(3 * size).fill((level / 255) * 2 - 1);

describe('pictureSheet', () => {
  it.each([
    { height: 16, width: 16, shown: [64, 64] },
    { height: 10, width: 20, shown: [30, 60] },
    { height: 300, width: 512, shown: [75, 128] },
  ])('should place pictures of $height x $width where its layout says', ({ height, width, shown }) => {
    const levels = Array.from({ length: 9 }, (_, index) => 25 * index);
    const { png, layout } = pictureSheet(
      levels.map((level) => gray(level, height * width)),
      height,
      width,
    );
    expect([layout.height, layout.width]).toEqual(shown);
    const sheet = decode(png);
    const { columns, gap } = layout;
    expect(sheet.width).toBe(columns * (layout.width + gap) + gap);
    expect(sheet.height).toBe(2 * (layout.height + gap) + gap);
    for (const [index, level] of levels.entries()) {
      const left = gap + (index % columns) * (layout.width + gap);
      const top = gap + Math.floor(index / columns) * (layout.height + gap);
      for (const [x, y] of [
        [left, top],
        [left + layout.width - 1, top + layout.height - 1],
      ] as const)
        expect(sheet.data[(y * sheet.width + x) * 3]).toBe(level);
    }
  });
});
