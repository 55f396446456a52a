import { PICTURE_SIZE, type Scene } from './scene.js';
import { shapeCoverage } from './shape-coverage.js';

const PLANE = PICTURE_SIZE * PICTURE_SIZE;
/** Numbers in a picture: three channels of 16 x 16. */
export const PICTURE_LENGTH = 3 * PLANE;

/**
 * Draws a scene, antialiased by 4 x 4 sub-samples: pixel = ground + coverage (color - ground).
 *
 * Shapes: returns `[3, 16, 16]` float32 in [-1, 1], channels first, rows from the top.
 *
 * @param target where to draw, of length 768, such as a row of a batch; default a new array.
 */
export function renderScene(
  scene: Scene,
  target: Float32Array = new Float32Array(PICTURE_LENGTH),
): Float32Array {
  for (let channel = 0; channel < 3; channel++) {
    target.fill(scene.background[channel]!, channel * PLANE, (channel + 1) * PLANE);
  }
  for (const object of scene.objects) {
    const half = object.size / 2;
    const left = Math.max(0, Math.floor(object.centerX - half));
    const right = Math.min(PICTURE_SIZE, Math.ceil(object.centerX + half));
    const top = Math.max(0, Math.floor(object.centerY - half));
    const bottom = Math.min(PICTURE_SIZE, Math.ceil(object.centerY + half));
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const coverage = shapeCoverage(object, x, y);
        if (coverage === 0) continue;
        for (let channel = 0; channel < 3; channel++) {
          const index = channel * PLANE + y * PICTURE_SIZE + x;
          target[index] = target[index]! + coverage * (object.rgb[channel]! - target[index]!);
        }
      }
    }
  }
  return target;
}
