/** @file Charts of what training itself saw, by training stage. */
import type { StageMetrics } from '../messages/run-events.js';
import { type LineChart, lineChart, type Series } from './line-chart.js';

/** One figure of each stage as a line. */
export function stageLine(
  label: string,
  tone: Series['tone'],
  stages: readonly StageMetrics[],
  of: (stage: StageMetrics) => number | null,
): Series {
  return { label, tone, points: stages.map((stage) => [stage.trainingStage, of(stage)]) };
}

/** Draws the figures of training; what was not measured, and a learning rate that was not lowered, has no chart. */
export function trainingCharts(stages: readonly StageMetrics[]): string[] {
  const charts: Omit<LineChart, 'xLabel'>[] = [
    {
      title: 'What there was to learn from',
      note: 'Samples trained on, and groups whose branches all got one reward.',
      unit: 'count',
      fromZero: true,
      series: [
        stageLine('samples', 'train', stages, ({ selectedSamples }) => selectedSamples),
        stageLine('zero spread', 'warn', stages, ({ zeroSpreadGroups }) => zeroSpreadGroups),
      ],
    },
    {
      title: 'Gradient norm',
      note: 'L2 norm of all gradients together before clipping, mean over the stage.',
      unit: 'number',
      fromZero: true,
      series: [stageLine('norm', 'train', stages, ({ gradNorm }) => gradNorm)],
    },
    {
      title: 'Approximate KL',
      note: 'k2 estimator between the policy that sampled and the one that is trained.',
      unit: 'number',
      fromZero: true,
      series: [stageLine('k2', 'train', stages, ({ approxKl }) => approxKl)],
    },
    {
      title: 'Ratio drift',
      note: 'Mean |ratio − 1| over the trained samples and steps: how far a stage moves from the policy that sampled.',
      unit: 'number',
      fromZero: true,
      series: [stageLine('drift', 'train', stages, ({ meanRatioDeviation }) => meanRatioDeviation)],
    },
    {
      title: 'KL to the pretrained model',
      note: 'Mean over the trained samples of the KL of one sampler step, in nats.',
      unit: 'number',
      fromZero: true,
      series: [stageLine('KL', 'train', stages, ({ klToPretrained }) => klToPretrained)],
    },
    {
      title: 'Value loss',
      note: 'Mean loss of the value network over its updates.',
      unit: 'number',
      fromZero: true,
      series: [stageLine('loss', 'train', stages, ({ valueLoss }) => valueLoss)],
    },
    {
      title: 'Intra-group correlation',
      note: 'How much alike the rewards of one group are. Near 1, branches differ too little to learn from.',
      unit: 'number',
      fromZero: true,
      series: [
        stageLine('correlation', 'train', stages, ({ intraGroupCorrelation }) => intraGroupCorrelation),
      ],
    },
    {
      title: 'Learning rate left by guards',
      note: 'Share of the learning rate that the config says; each alarm that lowers it halves it.',
      unit: 'share',
      fromZero: true,
      series: stages.some(({ learningRateScale }) => learningRateScale < 1)
        ? [stageLine('share', 'warn', stages, ({ learningRateScale }) => learningRateScale)]
        : [],
    },
  ];
  return charts.map((chart) => lineChart({ ...chart, xLabel: 'training stage' }));
}
