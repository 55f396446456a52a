import { describe, expect, it } from 'vitest';
import { PICTURE_LENGTH, renderScene } from '../../../../src/models/shapes/pictures/render.js';
import type { Scene } from '../../../../src/models/shapes/pictures/scene.js';
import {
  type PlacedShape,
  shapeCoverage,
  UNIT_AREA,
} from '../../../../src/models/shapes/pictures/shape-coverage.js';

const sceneOf = (placed: PlacedShape): Scene => ({
  background: [-0.5, -0.5, -0.5],
  objects: [{ ...placed, color: 'red', rgb: [0.9, -0.8, -0.8] }],
});
const pixel = (image: Float32Array, x: number, y: number) =>
  [0, 1, 2].map((channel) => image[channel * 256 + y * 16 + x]);

describe('renderScene', () => {
  it('should lay channels first, rows downwards', () => {
    const image = renderScene(sceneOf({ shape: 'square', centerX: 4, centerY: 9, size: 4 }));
    expect(image).toHaveLength(PICTURE_LENGTH);
    expect(pixel(image, 2, 7)).toEqual([0.9, -0.8, -0.8].map(Math.fround));
    expect(pixel(image, 5, 10)).toEqual([0.9, -0.8, -0.8].map(Math.fround));
    expect(pixel(image, 6, 10)).toEqual([-0.5, -0.5, -0.5]);
    expect(pixel(image, 9, 4)).toEqual([-0.5, -0.5, -0.5]);
  });

  it('should mix ground and color where a pixel is partly covered', () => {
    const image = renderScene(sceneOf({ shape: 'square', centerX: 4.5, centerY: 9, size: 4 }));
    expect(pixel(image, 2, 8)[0]).toBeCloseTo(0.2, 6);
    expect(pixel(image, 6, 8)[1]).toBeCloseTo(-0.65, 6);
  });

  it('should draw into a row of a batch and touch no other', () => {
    const batch = new Float32Array(3 * PICTURE_LENGTH).fill(7);
    const scene = sceneOf({ shape: 'circle', centerX: 8, centerY: 8, size: 6 });
    renderScene(scene, batch.subarray(PICTURE_LENGTH, 2 * PICTURE_LENGTH));
    expect(batch.slice(0, PICTURE_LENGTH).every((value) => value === 7)).toBe(true);
    expect(batch.slice(PICTURE_LENGTH, 2 * PICTURE_LENGTH)).toEqual(renderScene(scene));
    expect(batch.slice(2 * PICTURE_LENGTH).every((value) => value === 7)).toBe(true);
  });
});

describe('shapeCoverage', () => {
  it.each(['circle', 'square', 'triangle'] as const)('should cover the area of a %s', (shape) => {
    for (const size of [5.5, 6.2, 7]) {
      let area = 0;
      for (let y = 0; y < 16; y++) {
        for (let x = 0; x < 16; x++) area += shapeCoverage({ shape, centerX: 8.1, centerY: 7.7, size }, x, y);
      }
      expect(Math.abs(area / (UNIT_AREA[shape] * size ** 2) - 1)).toBeLessThan(0.05);
    }
  });

  it('should draw triangles with the tip up', () => {
    const triangle = { shape: 'triangle', centerX: 8, centerY: 8, size: 6 } as const;
    expect(shapeCoverage(triangle, 5, 5)).toBe(0);
    expect(shapeCoverage(triangle, 5, 10)).toBeGreaterThan(0.5);
  });
});
