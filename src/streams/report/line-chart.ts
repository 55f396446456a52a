import { axisOver, type Unit, writeTick } from './axis.js';
import { escapeHtml } from './figures.js';
import { type Captions, CHART, figure, gridLines, pixels, placeX, placeY, roundTicks } from './plot-area.js';

export interface Series {
  /** Stands at the end of the line. */
  readonly label: string;
  readonly tone: 'train' | 'held-out' | 'during' | 'warn';
  /** x and y; where y is null nothing was measured. */
  readonly points: readonly (readonly [x: number, y: number | null])[];
  /** Marks every point, for lines of few. */
  readonly markers?: boolean;
}

export interface LineChart extends Captions {
  readonly series: readonly Series[];
  readonly unit: Unit;
  readonly xLabel: string;
  /** Whether the y axis begins at 0 at the latest. */
  readonly fromZero?: boolean;
}

type Point = readonly [x: number, y: number];

/** Least distance of two labels at the right margin, in pixels. */
const LABEL_HEIGHT = 14;

/** Draws lines over rounds as SVG. Returns nothing where nothing was measured. */
export function lineChart({ series, unit, xLabel, fromZero = false, ...captions }: LineChart): string {
  const lines = series
    .map((one) => ({ ...one, points: one.points.filter(isMeasured) }))
    .filter(({ points }) => points.length > 0);
  if (lines.length === 0) return '';
  const points = lines.flatMap((line) => line.points);
  const xs = points.map(([x]) => x);
  const round = axisOver(xs, 'count', 6);
  // The line reaches from margin to margin; only the ticks are round.
  const xAxis = { ...round, from: Math.min(...xs), to: Math.max(...xs) };
  const yAxis = axisOver([...points.map(([, y]) => y), ...(fromZero ? [0] : [])], unit);
  const at = ([x, y]: Point) => `${pixels(placeX(xAxis, x))},${pixels(placeY(yAxis, y))}`;
  const paths = lines.map(
    ({ points: of, tone }) => `<polyline class="line ${tone}" points="${of.map(at).join(' ')}"/>`,
  );
  const markers = lines.flatMap(({ points: of, tone, label, markers: isMarked = of.length === 1 }) =>
    isMarked
      ? of.map(
          ([x, y]) =>
            `<circle class="dot ${tone}" cx="${pixels(placeX(xAxis, x))}" cy="${pixels(placeY(yAxis, y))}" r="3.4"><title>${escapeHtml(label)}, ${x}: ${writeTick(y, yAxis.step / 100, unit)}</title></circle>`,
        )
      : [],
  );
  const ends = lines.map(({ points: of, label, tone }) => {
    const [x, y] = of.at(-1) as Point;
    return { label, tone, x: placeX(xAxis, x), y: placeY(yAxis, y) };
  });
  const labels = spread(ends).map(
    ({ label, tone, x, y }) =>
      `<text class="label ${tone}" x="${pixels(x + 8)}" y="${pixels(y)}" dy="0.32em">${escapeHtml(label)}</text>`,
  );
  const ticks = { ...xAxis, ticks: round.ticks.filter((tick) => tick >= xAxis.from && tick <= xAxis.to) };
  return figure(
    captions,
    gridLines(yAxis, unit) +
      roundTicks(ticks, xLabel, (round) => placeX(xAxis, round)) +
      [...paths, ...markers, ...labels].join(''),
  );
}

function isMeasured(point: readonly [number, number | null]): point is Point {
  return point[1] !== null && Number.isFinite(point[1]);
}

/** Moves labels apart, from the top down, and back up where they leave the chart. */
function spread<Label extends { readonly y: number }>(labels: readonly Label[]): Label[] {
  const sorted = [...labels].sort((a, b) => a.y - b.y);
  const ys = sorted.map(({ y }) => y);
  for (let index = 1; index < ys.length; index++)
    ys[index] = Math.max(ys[index]!, ys[index - 1]! + LABEL_HEIGHT);
  const floor = CHART.height - CHART.bottom;
  for (let index = ys.length - 1; index >= 0; index--)
    ys[index] = Math.min(ys[index]!, floor - (ys.length - 1 - index) * LABEL_HEIGHT);
  return sorted.map((label, index) => ({ ...label, y: ys[index]! }));
}
