/** @file Charts whose y axis is the sampler step: the noise at the top, the image at the bottom, as time runs. */
import type { RoundMetrics } from '../messages/run-events.js';
import { axisOver } from './axis.js';
import { stepRanges, writeShare } from './figures.js';
import { CHART, figure, pixels, roundTicks } from './plot-area.js';

const RIGHT = CHART.width - CHART.right;
const BASE = CHART.height - CHART.bottom;

/** Where the column of a round begins, and the row of a step. */
function cells(rounds: readonly RoundMetrics[]) {
  const numSteps = Math.max(...rounds.map((round) => round.numSteps));
  const width = (RIGHT - CHART.left) / rounds.length;
  const height = (BASE - CHART.top) / numSteps;
  return {
    numSteps,
    width,
    height,
    x: (column: number) => CHART.left + column * width,
    y: (step: number) => CHART.top + step * height,
  };
}

function frame(rounds: readonly RoundMetrics[], content: string): string {
  const { numSteps, width, height, x, y } = cells(rounds);
  const indices = rounds.map(({ round }) => round);
  const ticks = axisOver(indices, 'count', 6).ticks.filter((tick) => indices.includes(tick));
  const every = Math.max(1, Math.ceil(numSteps / 10));
  const steps = Array.from({ length: Math.ceil(numSteps / every) }, (_, index) => index * every)
    .map(
      (step) =>
        `<text class="tick" x="${CHART.left - 8}" y="${pixels(y(step) + height / 2)}" dy="0.32em" text-anchor="end">${step}</text>`,
    )
    .join('');
  const ends = (
    [
      ['noise', y(0) + Math.min(height / 2, 8)],
      ['image', y(numSteps) - Math.min(height / 2, 8)],
    ] as const
  )
    .map(([end, at]) => `<text class="tick" x="${RIGHT + 8}" y="${pixels(at)}" dy="0.32em">${end}</text>`)
    .join('');
  const axis = roundTicks(
    { from: 0, to: 0, step: 1, ticks },
    'training round',
    (round) => x(indices.indexOf(round)) + width / 2,
  );
  return content + steps + ends + axis;
}

/** Least distance of two times along the interval, in pixels. */
const TIME_WIDTH = 52;

/**
 * Draws which sampler steps each round trained.
 *
 * @param timesteps t of every sampler step; the first trained one of a round is named where it changes.
 */
export function intervalChart(rounds: readonly RoundMetrics[], timesteps: readonly number[] = []): string {
  if (rounds.length === 0) return '';
  const { x, y, width } = cells(rounds);
  const ground = `<rect class="ground" x="${CHART.left}" y="${CHART.top}" width="${pixels(RIGHT - CHART.left)}" height="${BASE - CHART.top}"/>`;
  const trained = rounds.flatMap(({ trainedSteps }, column) =>
    stepRanges(trainedSteps).map(
      ([first, end]) =>
        `<rect class="area" x="${pixels(x(column))}" y="${pixels(y(first))}" width="${pixels(width)}" height="${pixels(y(end) - y(first))}"/>`,
    ),
  );
  return figure(
    {
      title: 'Training interval',
      note:
        timesteps.length === 0
          ? 'Sampler steps with gradients.'
          : 'Sampler steps with gradients, and the time t at which they begin.',
    },
    frame(rounds, ground + trained.join('') + times(rounds, timesteps)),
  );
}

function times(rounds: readonly RoundMetrics[], timesteps: readonly number[]): string {
  const { x, y } = cells(rounds);
  let [named, from] = [-1, Number.NEGATIVE_INFINITY];
  return rounds
    .map(({ trainedSteps }, column) => {
      const [first = -1] = trainedSteps;
      const t = timesteps[first];
      if (t === undefined || first === named || x(column) - from < TIME_WIDTH) return '';
      [named, from] = [first, x(column)];
      return `<text class="label train" x="${pixels(from + 6)}" y="${pixels(y(first) + 15)}">t = ${Math.round(t)}</text>`;
    })
    .join('');
}

/** Draws the share of clipped ratios, by round and sampler step; steps that were not trained stay empty. */
export function clipHeatMap(rounds: readonly RoundMetrics[]): string {
  if (rounds.length === 0) return '';
  const { x, y, width, height } = cells(rounds);
  const gap = Math.min(1, width / 6, height / 6);
  const rects = rounds.flatMap(({ round, trainedSteps, numSteps, clipFractionByStep }, column) =>
    Array.from({ length: numSteps }, (_, step) => {
      const place = `x="${pixels(x(column))}" y="${pixels(y(step))}" width="${pixels(width - gap)}" height="${pixels(height - gap)}"`;
      if (!trainedSteps.includes(step)) return `<rect class="ground" ${place}/>`;
      const clipped = clipFractionByStep[step] ?? 0;
      const shade = Math.round((0.05 + 0.95 * clipped) * 100) / 100;
      return `<rect class="heat" ${place} fill-opacity="${shade}"><title>round ${round}, step ${step}: ${writeShare(clipped)} clipped</title></rect>`;
    }),
  );
  return figure(
    {
      title: 'Clip fraction by sampler step',
      note: 'Share of ratios outside 1 ± clipRange, from 0 % (pale) to 100 % (full); empty steps were not trained.',
    },
    frame(rounds, rects.join('')),
  );
}
