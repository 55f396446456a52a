/** @file Charts of what training itself saw, by round. */
import type { RoundMetrics } from '../messages/run-events.js';
import { type LineChart, lineChart, type Series } from './line-chart.js';

/** One figure of each round as a line. */
export function roundLine(
  label: string,
  tone: Series['tone'],
  rounds: readonly RoundMetrics[],
  of: (round: RoundMetrics) => number | null,
): Series {
  return { label, tone, points: rounds.map((round) => [round.round, of(round)]) };
}

/** What is asked most often of a chart that lies at 0. */
function whyNoDrift(rounds: readonly RoundMetrics[]): string {
  return rounds.every(({ optimizerSteps }) => optimizerSteps <= 1)
    ? ' With one optimizer step a round there is no drift: the step is taken at the very policy that sampled, where the ratio is 1 and has the gradient of the log-prob.'
    : '';
}

/** Draws how much of a group's rewards the shared steps have decided. */
export function correlationChart(rounds: readonly RoundMetrics[]): string {
  return lineChart({
    title: 'Intra-group correlation',
    note: 'How similar the rewards of one group are. Near 1, branches differ too little to learn from.',
    unit: 'number',
    fromZero: true,
    xLabel: 'training round',
    series: [roundLine('correlation', 'train', rounds, ({ intraGroupCorrelation }) => intraGroupCorrelation)],
  });
}

/** Draws the figures of training; what was not measured, and a learning rate that was not lowered, has no chart. */
export function trainingCharts(rounds: readonly RoundMetrics[]): string[] {
  const charts: Omit<LineChart, 'xLabel'>[] = [
    {
      title: 'What the policy could learn from',
      note: 'Samples trained on, and groups whose branches all got the same reward.',
      unit: 'count',
      fromZero: true,
      series: [
        roundLine('samples', 'train', rounds, ({ selectedSamples }) => selectedSamples),
        roundLine('zero spread', 'warn', rounds, ({ zeroSpreadGroups }) => zeroSpreadGroups),
      ],
    },
    {
      title: 'Gradient norm',
      note: 'L2 norm of all gradients together before clipping, mean over the round.',
      unit: 'number',
      fromZero: true,
      series: [roundLine('norm', 'train', rounds, ({ gradNorm }) => gradNorm)],
    },
    {
      title: 'Approximate KL',
      note: 'k2 estimator between the policy that sampled and the one being trained.',
      unit: 'number',
      fromZero: true,
      series: [roundLine('k2', 'train', rounds, ({ approxKl }) => approxKl)],
    },
    {
      title: 'Ratio drift',
      note: `Mean |ratio − 1| over the trained samples and steps: how far a round moves from the policy that sampled.${whyNoDrift(rounds)}`,
      unit: 'number',
      fromZero: true,
      series: [roundLine('drift', 'train', rounds, ({ meanRatioDeviation }) => meanRatioDeviation)],
    },
    {
      title: 'KL to the pretrained model',
      note: 'Mean over the trained samples of the KL of one sampler step, in nats.',
      unit: 'number',
      fromZero: true,
      series: [roundLine('KL', 'train', rounds, ({ klToPretrained }) => klToPretrained)],
    },
    {
      title: 'Value loss',
      note: 'Mean loss of the value network over its updates.',
      unit: 'number',
      fromZero: true,
      series: [roundLine('loss', 'train', rounds, ({ valueLoss }) => valueLoss)],
    },
    {
      title: 'Learning rate after guards',
      note: 'Share of the configured learning rate; every alarm that lowers it halves it.',
      unit: 'share',
      fromZero: true,
      series: rounds.some(({ learningRateScale }) => learningRateScale < 1)
        ? [roundLine('share', 'warn', rounds, ({ learningRateScale }) => learningRateScale)]
        : [],
    },
  ];
  return charts.map((chart) => lineChart({ ...chart, xLabel: 'training round' }));
}
