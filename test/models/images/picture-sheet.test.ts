import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { pictureSheet } from '../../../src/models/images/picture-sheet.js';

/** A picture of one gray level in 0..255. */
const gray = (level: number, height: number, width: number) => ({
  ...{ height, width },
  data: new Uint8Array(3 * height * width).fill(level),
});

describe('pictureSheet', () => {
  it('should show pictures of several sizes in the middle of cells that hold all of them', () => {
    const { png, layout } = pictureSheet([gray(0, 32, 64), gray(100, 64, 32)]);
    expect(layout).toMatchObject({ columns: 2, width: 64, height: 64, scale: 1 });
    const { data, width } = decode(png);
    const levelAt = (x: number, y: number) => data[((2 + y) * width + 2 + x) * 3];
    expect([levelAt(0, 15), levelAt(0, 16), levelAt(63, 47), levelAt(63, 48)]).toEqual([255, 0, 0, 255]);
    const second = 66;
    expect([15, 16, 47, 48].map((x) => levelAt(second + x, 0))).toEqual([255, 100, 100, 255]);
  });

  it.each([
    { height: 16, width: 16, shown: [64, 64] },
    { height: 10, width: 20, shown: [30, 60] },
    { height: 300, width: 512, shown: [75, 128] },
  ])('should place pictures of $height x $width where its layout says', ({ height, width, shown }) => {
    const levels = Array.from({ length: 9 }, (_, index) => 25 * index);
    const { png, layout } = pictureSheet(levels.map((level) => gray(level, height, width)));
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
