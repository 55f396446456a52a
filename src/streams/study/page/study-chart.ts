/**
 * @file A chart that stands alone as an SVG file: its colors are in it, for light and dark, and so is its ground, because
 * the page around it may be either. Axes and grid are the report's.
 */
import { type Axis, axisOver, type Unit, writeTick } from '../../report/axis.js';
import { escapeHtml } from '../../report/figures.js';
import { CHART, gridLines, pixels, placeX, placeY } from '../../report/plot-area.js';

/** A point of a row; low and high are the ends of its interval, null where there is none. */
interface ChartPoint {
  readonly x: number;
  readonly y: number;
  readonly low: number | null;
  readonly high: number | null;
}

interface ChartSeries {
  readonly label: string;
  /** In the order of training. */
  readonly points: readonly ChartPoint[];
}

export interface StudyChart {
  readonly title: string;
  readonly xLabel: string;
  readonly xUnit: Unit;
  readonly yLabel: string;
  readonly yUnit: Unit;
  /** Series keep the place in the palette that they have here, also those without points. */
  readonly series: readonly ChartSeries[];
  /** Marks every point, for few of them. */
  readonly markers: boolean;
}

/** Light and dark; from the ninth series on the colors repeat, dashed. */
const PALETTE = [
  ['#0b6e8f', '#56bcd8'],
  ['#c8591b', '#f0965a'],
  ['#4d7d1f', '#9bcb63'],
  ['#a3325b', '#e57fa6'],
  ['#6a51a3', '#b3a0e6'],
  ['#8c6d1f', '#d9b95c'],
  ['#1f8a7d', '#6fd6c5'],
  ['#555f66', '#aab4ba'],
] as const;

const RIGHT = CHART.width - CHART.right;
const BASE = CHART.height - CHART.bottom;
const LEGEND_LEFT = RIGHT + 22;
const LEGEND_ROW = 17;
/** About the width of a letter of the legend, in pixels. */
const LETTER = 6.6;
/** Room for the name of the y axis. */
const HEAD = 26;
const MARGIN = 8;

/** Draws the chart; nothing where there is no point. */
export function studyChart(chart: StudyChart): string {
  const series = chart.series
    .map((one, index) => ({ ...one, color: index % PALETTE.length, isDashed: index >= PALETTE.length }))
    .filter(({ points }) => points.length > 0);
  const points = series.flatMap((one) => one.points);
  if (points.length === 0) return '';
  const xAxis = xAxisOver(
    points.map(({ x }) => x),
    chart,
  );
  // Wide intervals of few seeds are cut at the frame, or they would flatten all curves.
  const yAxis = axisOver(
    points.map(({ y }) => y),
    chart.yUnit,
  );
  const place: Place = (x, y) => `${pixels(placeX(xAxis, x))},${pixels(placeY(yAxis, y))}`;
  const marked = series.map((one) =>
    chart.markers ? { ...one, dots: dots(one, place) } : { ...one, dots: '' },
  );
  const legend = series.map(
    ({ label, color, isDashed }, row) =>
      `<line class="line c${color}${isDashed ? ' dashed' : ''}" x1="${LEGEND_LEFT}" x2="${LEGEND_LEFT + 22}" y1="${CHART.top + 6 + row * LEGEND_ROW}" y2="${CHART.top + 6 + row * LEGEND_ROW}"/><text x="${LEGEND_LEFT + 29}" y="${CHART.top + 6 + row * LEGEND_ROW}" dy="0.32em">${escapeHtml(label)}</text>`,
  );
  const longest = Math.max(...series.map(({ label }) => label.length));
  const width = Math.ceil(LEGEND_LEFT + 29 + longest * LETTER + MARGIN);
  const height = HEAD + Math.max(CHART.height, CHART.top + series.length * LEGEND_ROW) + MARGIN;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${-MARGIN} ${-HEAD} ${width + MARGIN} ${height}" width="${width + MARGIN}" height="${height}" role="img" aria-label="${escapeHtml(chart.title)}">
<title>${escapeHtml(chart.title)}</title>
<style>${style()}</style>
<rect class="paper" x="${-MARGIN}" y="${-HEAD}" width="${width + MARGIN}" height="${height}"/>
<clipPath id="plot"><rect x="${CHART.left}" y="${CHART.top}" width="${RIGHT - CHART.left}" height="${BASE - CHART.top}"/></clipPath>
${gridLines(yAxis, chart.yUnit)}
${xTicks(xAxis, chart)}
<text class="tick" x="${CHART.left - 40}" y="${CHART.top - 18}">${escapeHtml(chart.yLabel)}</text>
<g clip-path="url(#plot)">${series.map((one) => band(one, place)).join('')}</g>
${marked.map((one) => line(one, place) + one.dots).join('\n')}
${legend.join('\n')}
</svg>
`;
}

/** A line reaches from margin to margin, and only the ticks are round; marks would stand on the frame. */
function xAxisOver(values: readonly number[], { xUnit, markers }: StudyChart): Axis {
  const round = axisOver(values, xUnit, 5);
  if (markers) return round;
  const [from, to] = [Math.min(...values), Math.max(...values)];
  return { ...round, from, to, ticks: round.ticks.filter((tick) => tick >= from && tick <= to) };
}

type Place = (x: number, y: number) => string;
type Drawn = ChartSeries & { readonly color: number; readonly isDashed: boolean };

function line({ points, color, isDashed }: Drawn, place: Place): string {
  const path = points.map(({ x, y }) => place(x, y)).join(' ');
  return `<polyline class="line c${color}${isDashed ? ' dashed' : ''}" points="${path}"/>`;
}

function dots({ points, color, label }: Drawn, place: Place): string {
  return points
    .map(({ x, y }, index) => {
      const [cx, cy] = place(x, y).split(',');
      // Where training ended is the larger one.
      const radius = index === points.length - 1 ? 4.5 : 2.5;
      return `<circle class="dot c${color}" cx="${cx}" cy="${cy}" r="${radius}"><title>${escapeHtml(label)}</title></circle>`;
    })
    .join('');
}

function band({ points, color }: Drawn, place: Place): string {
  const measured = points.flatMap(({ x, low, high }) =>
    low === null || high === null ? [] : [{ x, low, high }],
  );
  if (measured.length < 2) return '';
  const outline = [
    ...measured.map(({ x, high }) => place(x, high)),
    ...measured.toReversed().map(({ x, low }) => place(x, low)),
  ];
  return `<polygon class="band c${color}" points="${outline.join(' ')}"/>`;
}

function xTicks(axis: Axis, { xUnit, xLabel }: StudyChart): string {
  const ticks = axis.ticks.map((tick) => {
    const x = pixels(placeX(axis, tick));
    const text = xUnit === 'count' ? tick.toLocaleString('en-US') : writeTick(tick, axis.step, xUnit);
    return `<text class="tick" x="${x}" y="${BASE + 16}" text-anchor="middle">${text}</text>`;
  });
  return `${ticks.join('')}<text class="tick" x="${(CHART.left + RIGHT) / 2}" y="${BASE + 33}" text-anchor="middle">${escapeHtml(xLabel)}</text>`;
}

function style(): string {
  const colors = (shade: 0 | 1) =>
    PALETTE.map(
      (color, index) =>
        `.line.c${index} { stroke: ${color[shade]}; } .dot.c${index}, .band.c${index} { fill: ${color[shade]}; }`,
    ).join('\n');
  return `
text { font: 12px system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; fill: #1d2327; }
.paper { fill: #fbfaf7; } .tick { fill: #667078; } .grid { stroke: #dedbd3; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; } .dashed { stroke-dasharray: 6 5; }
.band { fill-opacity: 0.13; }
${colors(0)}
@media (prefers-color-scheme: dark) {
text { fill: #e6e8e6; } .paper { fill: #14181b; } .tick { fill: #98a3aa; } .grid { stroke: #2c3439; }
${colors(1)}
}
`;
}
