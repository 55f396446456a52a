/** @file The curves of several runs over each other. */

import type { Evaluation, PromptSetEvaluation, RoundMetrics } from '../messages/run-events.js';
import { figuresOf } from '../report/comparison.js';
import { escapeHtml } from '../report/figures.js';
import { thinned } from '../report/render-report.js';
import { type StudyChart, studyChart } from '../study/page/study-chart.js';
import type { ComparedRun } from './read-runs.js';

type Points = readonly (readonly [x: number, y: number | null])[];

interface OverlaidChart extends Pick<StudyChart, 'xLabel' | 'yUnit' | 'markers'> {
  readonly title: string;
  readonly note: string;
  readonly of: (run: ComparedRun) => Points;
}

const ROUNDS = 'training rounds done';
/** A longer one would leave no room for the curves. */
const LONGEST_LABEL = 26;

const evaluated = (
  list: 'train' | 'heldOut',
  of: (evaluated: PromptSetEvaluation) => number | null,
): Pick<OverlaidChart, 'of' | 'xLabel' | 'markers'> => ({
  of: ({ evaluations }) => evaluations.map((evaluation) => [evaluation.round, of(evaluation[list])]),
  xLabel: ROUNDS,
  markers: true,
});

const trained = (
  of: (round: RoundMetrics) => number | null,
): Pick<OverlaidChart, 'of' | 'xLabel' | 'markers'> => ({
  of: ({ rounds }) => thinned(rounds).map((round) => [round.round + 1, of(round)]),
  xLabel: ROUNDS,
  markers: false,
});

/** Images scored when an evaluation was made. */
function queriesAt({ rounds }: ComparedRun, { round }: Evaluation): number {
  return rounds.findLast((one) => one.round < round)?.rewardQueries ?? 0;
}

const evaluationCharts = (runs: readonly ComparedRun[]): OverlaidChart[] =>
  figuresOf(
    runs.flatMap(({ evaluations }) => evaluations.flatMap(({ train, heldOut }) => [train, heldOut])),
  ).flatMap(({ name, unit, of }) =>
    (['heldOut', 'train'] as const).map((list) => ({
      title: `${name[0]?.toUpperCase()}${name.slice(1)}, ${list === 'train' ? 'training' : 'held-out'} prompts`,
      note: 'From the evaluations of each run.',
      yUnit: unit,
      ...evaluated(list, of),
    })),
  );

const CHARTS: readonly OverlaidChart[] = [
  {
    title: 'Reward by reward queries',
    note: 'On held-out prompts, over the pictures that had been scored: the price of a gain.',
    yUnit: 'number',
    xLabel: 'pictures scored in training',
    markers: true,
    of: (run) =>
      run.evaluations.map((evaluation) => [queriesAt(run, evaluation), evaluation.heldOut.rewardMean]),
  },
  {
    title: 'Reward in training',
    note: 'Mean over the pictures of a round, which noise and prompts of the round move.',
    yUnit: 'number',
    ...trained(({ rewardMean }) => rewardMean),
  },
  {
    title: 'Trained samples',
    note: 'Samples that the advantage rule selected in a round.',
    yUnit: 'count',
    ...trained(({ selectedSamples }) => selectedSamples),
  },
  {
    title: 'Gradient norm',
    note: 'L2 norm of all gradients together before clipping, mean over the round.',
    yUnit: 'number',
    ...trained(({ gradNorm }) => gradNorm),
  },
  {
    title: 'Ratio drift',
    note: 'Mean |ratio − 1| over the trained samples and steps.',
    yUnit: 'number',
    ...trained(({ meanRatioDeviation }) => meanRatioDeviation),
  },
  {
    title: 'KL to the pretrained model',
    note: 'Mean over the trained samples of the KL of one sampler step, in nats.',
    yUnit: 'number',
    ...trained(({ klToPretrained }) => klToPretrained),
  },
];

/** Draws every chart that some run has figures for; a run keeps its color in all of them. */
export function overlaidCharts(runs: readonly ComparedRun[]): string {
  return [...evaluationCharts(runs), ...CHARTS]
    .map(({ title, note, of, ...chart }) => {
      const series = runs.map((run) => ({ label: shortened(run.label), points: measured(of(run)) }));
      const svg = studyChart({ ...chart, title, xUnit: 'count', yLabel: '', series });
      if (svg === '') return '';
      // As a picture, each chart keeps its styles and ids to itself.
      const source = `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`;
      return `<figure><figcaption><h3>${escapeHtml(title)}</h3><p>${escapeHtml(note)}</p></figcaption><img src="${source}" alt="${escapeHtml(title)} of each run"></figure>\n`;
    })
    .join('');
}

function measured(points: Points) {
  return points.flatMap(([x, y]) =>
    y === null || !Number.isFinite(y) ? [] : [{ x, y, low: null, high: null }],
  );
}

const shortened = (label: string) =>
  label.length > LONGEST_LABEL ? `${label.slice(0, LONGEST_LABEL - 1)}…` : label;
