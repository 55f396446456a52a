import { describe, expect, it } from 'vitest';
import { jpegSize, type Rgb8Image } from '../../../src/models/images/picture.js';
import { pictureStatistics } from '../../../src/models/images/picture-statistics.js';

type Color = readonly [red: number, green: number, blue: number];

/** A picture of 8 x 6 pixels. */
function painted(colorAt: (x: number, y: number) => Color): Rgb8Image {
  const pixels = Array.from({ length: 48 }, (_, index) => colorAt(index % 8, Math.floor(index / 8)));
  return { width: 8, height: 6, data: Uint8Array.from(pixels.flat()) };
}

describe('pictureStatistics', () => {
  it('should find neither edges nor entropy in one color, and its luma', async () => {
    const red = await pictureStatistics(painted(() => [255, 0, 0]));
    expect(red).toMatchObject({ edgeDensity: 0, colorEntropy: 0, brightness: expect.closeTo(0.299, 12) });
  });

  it('should count the pixels on both sides of a step, and none of a faint one', async () => {
    // Sobel spans two pixels: columns 3 and 4 of the six inner ones.
    const step = (light: number) => painted((x) => (x < 4 ? [100, 100, 100] : [light, light, light]));
    expect(await pictureStatistics(step(130))).toMatchObject({ edgeDensity: 2 / 6 });
    expect(await pictureStatistics(step(120))).toMatchObject({ edgeDensity: 0 });
    const rows = await pictureStatistics(painted((_, y) => (y < 3 ? [0, 0, 0] : [255, 255, 255])));
    expect(rows).toMatchObject({ edgeDensity: 2 / 4, brightness: expect.closeTo(0.5, 12) });
  });

  it('should measure the entropy of colors in bits, those of one bin as one', async () => {
    const two = await pictureStatistics(painted((x) => (x < 4 ? [0, 0, 0] : [0, 0, 255])));
    expect(two.colorEntropy).toBeCloseTo(1, 12);
    const near = await pictureStatistics(painted((x) => (x < 4 ? [32, 0, 0] : [63, 31, 31])));
    expect(near.colorEntropy).toBe(0);
    const quarters = await pictureStatistics(painted((x) => [64 * Math.floor(x / 2), 0, 0]));
    expect(quarters.colorEntropy).toBeCloseTo(2, 12);
  });

  it('should give the size as JPEG in kilobytes', async () => {
    const noisy = painted((x, y) => [(x * 97 + y * 61) % 256, (x * 31) % 256, (y * 151) % 256]);
    const { jpegKilobytes } = await pictureStatistics(noisy);
    expect(jpegKilobytes).toBe((await jpegSize(noisy, 95)) / 1000);
  });

  it('should find no edges in a picture too small to have inner pixels', async () => {
    const tiny = { width: 2, height: 1, data: Uint8Array.of(0, 0, 0, 255, 255, 255) };
    expect(await pictureStatistics(tiny)).toMatchObject({ edgeDensity: 0, colorEntropy: 1 });
  });
});
