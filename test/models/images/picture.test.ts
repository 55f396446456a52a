import fc from 'fast-check';
import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { imageGrid } from '../../../src/models/images/image-grid.js';
import { encodePng, jpegSize, pictureDifference, toRgb8 } from '../../../src/models/images/picture.js';
import { pictureOf, REWARD_IMAGES } from '../../fixtures/reward-images.js';

describe('toRgb8', () => {
  it('should scale and clamp, and interleave the channels', () => {
    const planes = [
      [-1, 1, -2],
      [5, 0.2, Number.NaN],
      [1 / 255, 3 / 255, -1 + 2 / 255],
    ];
    const pixels = [
      [0, 255, 128],
      [255, 153, 129],
      [0, 0, 1],
    ];
    expect([...toRgb8(Float32Array.from(planes.flat()), 3, 1).data]).toEqual(pixels.flat());
  });

  it('should round ties to even', () => {
    const tied = (byte: number) => (byte + 0.5) / 127.5 - 1;
    expect([...toRgb8(Float32Array.of(tied(100), tied(101), tied(126)), 1, 1).data]).toEqual([100, 102, 126]);
  });

  it('should refuse a picture of another size', () => {
    expect(() => toRgb8(new Float32Array(12), 2, 3)).toThrowError(
      expect.objectContaining({
        code: 'TRIB_INTERNAL',
        message: expect.stringContaining('[3, 2, 3], got 12'),
      }),
    );
  });
});

describe('encodePng', () => {
  it('should be read back by a PNG reader, channel by channel', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 255 })),
        (width, height, bytes) => {
          const target = Array.from({ length: 3 * width * height }, () => bytes.next().value as number);
          const plane = width * height;
          const image = Float32Array.from(target, (byte) => (byte / 255) * 2 - 1);
          const decoded = decode(encodePng(toRgb8(image, height, width)));
          expect(decoded).toMatchObject({ width, height, channels: 3, depth: 8 });
          const planar = Array.from(
            { length: 3 * plane },
            (_, index) => decoded.data[(index % plane) * 3 + Math.floor(index / plane)],
          );
          expect(planar).toEqual(target);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('imageGrid', () => {
  const plain = (value: number) => new Float32Array(3 * 2 * 2).fill(value);
  const options = { height: 2, width: 2, scale: 3, gap: 1 };

  it('should lay pictures out row by row with white gaps, and leave missing cells white', () => {
    const grid = imageGrid([plain(-1), plain(0), plain(-0.5)], 2, options);
    expect([grid.width, grid.height]).toEqual([2 * 7 + 1, 2 * 7 + 1]);
    const red = (x: number, y: number) => grid.data[(y * grid.width + x) * 3];
    expect([red(0, 0), red(1, 1), red(6, 6), red(7, 6), red(8, 1), red(13, 6), red(14, 6)]).toEqual([
      255, 0, 0, 255, 128, 128, 255,
    ]);
    expect([red(1, 7), red(1, 8), red(8, 8)]).toEqual([255, 64, 255]);
  });

  it('should enlarge without smoothing', () => {
    const image = plain(-1);
    image[1] = 1;
    const grid = imageGrid([image], 1, options);
    const redRow = Array.from({ length: grid.width }, (_, x) => grid.data[(3 * grid.width + x) * 3]);
    expect(redRow).toEqual([255, 0, 0, 0, 255, 255, 255, 255]);
    expect(grid.data[(4 * grid.width + 4) * 3]).toBe(0);
  });

  it('should survive a PNG reader', () => {
    const grid = imageGrid([plain(0.2), plain(-0.7)], 2, { height: 2, width: 2 });
    expect(decode(encodePng(grid)).data).toEqual(grid.data);
  });

  it.each([
    [[], 1, {}, 'images'],
    [[plain(0)], 0, {}, 'columns'],
    [[plain(0)], 1, { scale: 1.5 }, 'scale'],
    [[plain(0)], 1, { gap: -1 }, 'gap'],
  ])('should refuse wrong arguments (%#)', (images, columns, wrong, name) => {
    expect(() => imageGrid(images, columns, { ...options, ...wrong })).toThrowError(
      expect.objectContaining({
        message: expect.stringContaining(`imageGrid ${name}: expected an integer`),
      }),
    );
  });
});

describe('jpegSize', () => {
  it.each(REWARD_IMAGES.jpeg)(
    'should be what Pillow writes: $height x $width, grain $grain, quality $quality',
    async ({ quality, bytes, ...picture }) => {
      expect(await jpegSize(pictureOf(picture), quality)).toBe(bytes);
    },
  );
});

describe('pictureDifference', () => {
  const pictures = (...values: number[][]) => values.map((picture) => Float32Array.from(picture));

  it.each([
    ['0 where pictures are alike', [[1, -1], [0.5]], [[1, -1], [0.5]], 0],
    [
      'the root mean square over all pictures',
      [
        [1, -1],
        [0.5, 0],
      ],
      [
        [0, -1],
        [0.5, 2],
      ],
      Math.sqrt(5 / 4),
    ],
    ['the least difference of a float32', [[1]], [[1 + 2 ** -23]], 2 ** -23],
    ['NaN where a picture has one', [[Number.NaN]], [[0]], Number.NaN],
    ['0 where there is none', [], [], 0],
  ])('should be %s', (_, left, right, wanted) => {
    expect(pictureDifference(pictures(...left), pictures(...right))).toBe(wanted);
  });
});
