import { COLORS, type Color, type Shape } from '../prompts/grammar.js';
import { type Blob, fitShape } from './fit-shape.js';
import { type PixelColors, readPixelColors } from './pixel-colors.js';
import { PICTURE_SIZE } from './scene.js';

/** Above one half, so that two equal shapes a pixel apart stay two: one pixel between them is at most half covered. */
const CORE_COVERAGE = 0.6;
/** Least coverage of a pixel at the rim of a core that belongs to it; less counts as noise. */
const RIM_COVERAGE = 0.12;
/** Blobs of less than this many pixels are specks; the smallest triangle drawn has 15. */
const MIN_AREA = 5;
/** Least overlap for a blob to count as the shape that fits it best. */
const MIN_OVERLAP = 0.72;

const PLANE = PICTURE_SIZE * PICTURE_SIZE;
const NO_BLOB = -1;

/** Something of notable size in a picture. */
export interface DetectedObject {
  /** Null if no named shape fits, for instance because two objects touch. */
  readonly shape: Shape | null;
  /** Null if its color is none of the named ones. */
  readonly color: Color | null;
  /** Smallest rectangle of pixels around it, right and bottom exclusive. */
  readonly box: Readonly<Record<'left' | 'top' | 'right' | 'bottom', number>>;
  /** Centroid, in pixels from the upper left corner. */
  readonly center: readonly [x: number, y: number];
  /** In pixels; partial ones count by their share. */
  readonly area: number;
}

/**
 * Finds the objects in a picture, largest first.
 *
 * 1. Each pixel gets a color and a coverage (pixel-colors.ts).
 * 2. Pixels covered by 60 % or more form cores: 4-connected components of one color.
 * 3. Partly covered pixels next to a core join it.
 * 4. A pale blob's coverage is scaled up to that of a full one; blobs under 5 pixels are dropped.
 * 5. The shape is the one whose antialiased drawing overlaps most with the blob's coverage (fit-shape.ts).
 *
 * Shapes: `image [3, 16, 16] float32` in [-1, 1].
 */
export function detectObjects(image: Float32Array): DetectedObject[] {
  const pixels = readPixelColors(image);
  const { owners, colors } = findCores(pixels);
  const rims = growRims(pixels, owners);
  return colors
    .map((color, id) => ({ color, ...measureBlob(pixels.coverage, rims, id) }))
    .filter(({ area }) => area >= MIN_AREA)
    .map(({ color, box, ...blob }): DetectedObject => {
      const fit = fitShape(blob);
      return {
        shape: fit.overlap >= MIN_OVERLAP ? fit.shape : null,
        color: COLORS[color] ?? null,
        box,
        center: [blob.centroidX, blob.centroidY],
        area: blob.area,
      };
    })
    .sort((a, b) => b.area - a.area);
}

/** Numbers the 4-connected components of well-covered pixels of one label. */
function findCores({ labels, coverage }: PixelColors): { owners: Int16Array; colors: number[] } {
  const owners = new Int16Array(PLANE).fill(NO_BLOB);
  const colors: number[] = [];
  const isCore = (pixel: number) => coverage[pixel]! >= CORE_COVERAGE;
  for (let start = 0; start < PLANE; start++) {
    if (!isCore(start) || owners[start] !== NO_BLOB) continue;
    const id = colors.length;
    colors.push(labels[start]!);
    owners[start] = id;
    const pending = [start];
    for (let pixel = pending.pop(); pixel !== undefined; pixel = pending.pop()) {
      for (const next of sideNeighbors(pixel)) {
        if (owners[next] !== NO_BLOB || !isCore(next) || labels[next] !== labels[start]) continue;
        owners[next] = id;
        pending.push(next);
      }
    }
  }
  return { owners, colors };
}

/** Gives each partly covered pixel to the blob with the most core pixels among its eight neighbors. */
function growRims({ coverage }: PixelColors, cores: Int16Array): Int16Array {
  const owners = Int16Array.from(cores);
  for (let pixel = 0; pixel < PLANE; pixel++) {
    if (cores[pixel] !== NO_BLOB || coverage[pixel]! < RIM_COVERAGE) continue;
    const votes = new Map<number, number>();
    let most = 0;
    for (const next of allNeighbors(pixel)) {
      const owner = cores[next]!;
      if (owner === NO_BLOB) continue;
      const count = (votes.get(owner) ?? 0) + 1;
      votes.set(owner, count);
      if (count > most) {
        most = count;
        owners[pixel] = owner;
      }
    }
  }
  return owners;
}

function measureBlob(
  coverage: Float32Array,
  owners: Int16Array,
  id: number,
): Blob & Pick<DetectedObject, 'box'> {
  const own = new Float32Array(PLANE);
  const strength = strengthOf(coverage, owners, id);
  let [area, sumX, sumY] = [0, 0, 0];
  let [left, top, right, bottom] = [PICTURE_SIZE, PICTURE_SIZE, 0, 0];
  for (let pixel = 0; pixel < PLANE; pixel++) {
    if (owners[pixel] !== id) continue;
    const share = Math.min(1, coverage[pixel]! / strength);
    const x = pixel % PICTURE_SIZE;
    const y = Math.floor(pixel / PICTURE_SIZE);
    own[pixel] = share;
    area += share;
    sumX += share * (x + 0.5);
    sumY += share * (y + 0.5);
    [left, top] = [Math.min(left, x), Math.min(top, y)];
    [right, bottom] = [Math.max(right, x + 1), Math.max(bottom, y + 1)];
  }
  const box = { left, top, right, bottom };
  return { coverage: own, area, centroidX: sumX / area, centroidY: sumY / area, box };
}

/** The upper quartile of the coverage inside a blob: below 1 for a pale object, whose rim is paler by the same factor. */
function strengthOf(coverage: Float32Array, owners: Int16Array, id: number): number {
  const inside = coverage.filter((share, pixel) => owners[pixel] === id && share >= CORE_COVERAGE).sort();
  return inside[Math.floor(inside.length * 0.75)]!;
}

function sideNeighbors(pixel: number): number[] {
  return allNeighbors(pixel).filter((next) => [1, PICTURE_SIZE].includes(Math.abs(next - pixel)));
}

function allNeighbors(pixel: number): number[] {
  const x = pixel % PICTURE_SIZE;
  const vertical = [pixel - PICTURE_SIZE, pixel, pixel + PICTURE_SIZE].filter(
    (next) => next >= 0 && next < PLANE,
  );
  return vertical.flatMap((middle) => [
    ...(x > 0 ? [middle - 1] : []),
    ...(middle === pixel ? [] : [middle]),
    ...(x < PICTURE_SIZE - 1 ? [middle + 1] : []),
  ]);
}
