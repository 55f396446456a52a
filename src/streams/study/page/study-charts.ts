import type { Comparison } from '../config/study-schema.js';
import { baseOf, diversityKept, samplesUntil } from '../results/figures-of-run.js';
import { meanCurve, type PointFigure } from '../results/mean-curve.js';
import type { RowRuns } from '../results/study-results.js';
import { type StudyChart, studyChart } from './study-chart.js';

/** A chart of the page. */
export interface ChartFile {
  /** `front.svg`. */
  readonly name: string;
  readonly title: string;
  /** One sentence that says how to read it. */
  readonly note: string;
  readonly svg: string;
}

interface Plan extends Omit<StudyChart, 'series'> {
  readonly name: string;
  readonly note: string;
  readonly x: PointFigure;
  readonly y: PointFigure;
  readonly hasBand: boolean;
}

const heldOutAlignment: PointFigure = ({ heldOut }) => heldOut.verifiedAlignment;
const trainReward: PointFigure = ({ train }) => train.rewardMean;

const HELD_OUT = 'verified alignment, held-out prompts';
const BAND = 'Lines are means over the seeds, bands their 95 % intervals, cut at the frame.';
const POINTS = 'Every evaluation is a point, a mean over the seeds; the larger one is the end of training.';

const QUERIES = {
  x: ({ rewardQueries }: { rewardQueries: number }) => rewardQueries,
  xLabel: 'reward queries',
  xUnit: 'count' as const,
};
const PASSES = {
  x: ({ networkPasses }: { networkPasses: number | null }) => networkPasses,
  xLabel: 'rows through the network, a gradient as three',
  xUnit: 'count' as const,
};
const SAMPLES: Pick<Plan, 'x' | 'xLabel' | 'xUnit'> = {
  x: (point, run) => samplesUntil(run, point),
  xLabel: 'pictures trained on',
  xUnit: 'count',
};
const SECONDS = {
  x: ({ elapsedSeconds }: { elapsedSeconds: number }) => elapsedSeconds,
  xLabel: 'seconds of work',
  xUnit: 'count' as const,
};
const ALIGNMENT = { y: heldOutAlignment, yLabel: HELD_OUT, yUnit: 'share' as const };
const REWARD = { y: trainReward, yLabel: 'reward, training prompts', yUnit: 'number' as const };
const CURVES = { note: BAND, hasBand: true, markers: false };
const SCATTER = { hasBand: false, markers: true };

const ALIGNMENT_BY_QUERIES: Plan = {
  name: 'alignment-by-queries',
  title: 'Verified alignment by reward queries',
  ...QUERIES,
  ...ALIGNMENT,
  ...CURVES,
};
const PLANS: readonly Plan[] = [
  ALIGNMENT_BY_QUERIES,
  {
    name: 'alignment-by-passes',
    title: 'Verified alignment by rows through the network',
    ...PASSES,
    ...ALIGNMENT,
    ...CURVES,
  },
  {
    name: 'alignment-by-samples',
    title: 'Verified alignment by pictures trained on',
    ...SAMPLES,
    ...ALIGNMENT,
    ...CURVES,
  },
  {
    name: 'alignment-by-seconds',
    title: 'Verified alignment by seconds',
    ...SECONDS,
    ...ALIGNMENT,
    ...CURVES,
  },
  { name: 'reward-by-queries', title: 'Reward by reward queries', ...QUERIES, ...REWARD, ...CURVES },
  { name: 'reward-by-seconds', title: 'Reward by seconds', ...SECONDS, ...REWARD, ...CURVES },
  {
    name: 'front',
    title: 'Alignment and diversity',
    note: `${POINTS} Up and to the right is better.`,
    x: (point, run) => diversityKept(run, point),
    xLabel: 'diversity kept, held-out prompts',
    xUnit: 'share',
    ...ALIGNMENT,
    ...SCATTER,
  },
  {
    name: 'train-and-held-out',
    title: 'Training and held-out prompts',
    note: `${POINTS} A curve that flattens learns what does not carry over to held-out prompts.`,
    x: ({ train }) => train.verifiedAlignment,
    xLabel: 'verified alignment, training prompts',
    xUnit: 'share',
    ...ALIGNMENT,
    ...SCATTER,
  },
];

/** Draws the charts over rows of a study, but for figures that its model cannot measure. */
export function studyCharts(rows: readonly RowRuns[]): ChartFile[] {
  return PLANS.flatMap((plan) => drawn(plan, rows) ?? []);
}

/** Draws the curves of a comparison, the baseline first; null where there is none. */
export function comparisonChart(
  { title, rows, baseline }: Comparison,
  place: number,
  all: readonly RowRuns[],
): ChartFile | null {
  const chosen = [baseline, ...rows.filter((name) => name !== baseline)].flatMap(
    (name) => all.find((row) => row.name === name) ?? [],
  );
  return drawn({ ...ALIGNMENT_BY_QUERIES, name: `comparison-${place}`, title }, chosen);
}

function drawn({ name, note, x, y, hasBand, ...chart }: Plan, rows: readonly RowRuns[]): ChartFile | null {
  const series = rows.map(({ title, runs }) => ({
    label: title,
    points: meanCurve(runs, x, y).map((point) => {
      const { mean, halfWidth } = point.y;
      const isBanded = hasBand && halfWidth !== null;
      return {
        x: point.x,
        y: mean,
        low: isBanded ? mean - halfWidth : null,
        high: isBanded ? mean + halfWidth : null,
      };
    }),
  }));
  const svg = studyChart({ ...chart, series });
  return svg === '' ? null : { name: `${name}.svg`, title: chart.title, note, svg };
}

/** Pictures and prompts of one evaluation, for the page; null where nothing has run. */
export function evaluationSize(rows: readonly RowRuns[]) {
  const run = rows.flatMap(({ runs }) => runs)[0];
  return run ? { train: baseOf(run).train, heldOut: baseOf(run).heldOut } : null;
}
