/** @file The charts of a run: which figures each shows, and how they are written. */

import { writeNumber, writeShare } from '../../../streams/report/figures.js';
import type { PlotLine } from '../../parts/plot.jsx';
import type { MetricsTable } from '../../state/table.js';

/** A line of a chart: a column of the table. */
export interface Curve extends Omit<PlotLine, 'values'> {
  readonly column: string;
}

export interface CurveChart {
  readonly title: string;
  readonly note: string;
  readonly write: (value: number) => string;
  /** At the axis; by default the same. */
  readonly writeTick?: (value: number) => string;
  readonly curves: readonly Curve[];
  readonly isFromZero?: boolean;
  /** Says how training goes, not what it comes to. */
  readonly isInner?: boolean;
}

const percent = (share: number) => `${Math.round(100 * share)} %`;

const evaluated = (figure: string): Curve[] => [
  { label: 'training prompts', tone: 'train', column: `train:${figure}`, isSparse: true },
  { label: 'held-out prompts', tone: 'held-out', column: `heldOut:${figure}`, isSparse: true },
];

const CHARTS: readonly CurveChart[] = [
  {
    title: 'Prompts followed',
    note: 'Share of pictures that a verifier, which training never sees, finds right.',
    write: writeShare,
    writeTick: percent,
    curves: [...evaluated('alignment'), { label: 'in training', tone: 'during', column: 'alignment' }],
  },
  {
    title: 'Reward',
    note: 'Mean over the pictures of a round, and over those of the evaluations.',
    write: writeNumber,
    curves: [...evaluated('reward'), { label: 'in training', tone: 'during', column: 'reward' }],
  },
  {
    title: 'Diversity',
    note: 'How different the pictures of one prompt are. A fall means that the model repeats itself.',
    write: writeNumber,
    curves: evaluated('diversity'),
  },
  {
    title: 'Judged by people',
    note: 'Rewards of a round that came from outside.',
    write: writeNumber,
    curves: [{ label: 'rewards', tone: 'train', column: 'outside' }],
    isFromZero: true,
  },
  {
    title: 'The next policy against the one in use',
    note: 'Its share of the choices between the two. It is judged once the interval leaves one half.',
    write: writeShare,
    writeTick: percent,
    curves: [
      { label: 'win rate', tone: 'train', column: 'canary:rate' },
      { label: 'at least', tone: 'during', column: 'canary:lower' },
      { label: 'at most', tone: 'during', column: 'canary:upper' },
    ],
  },
  {
    isInner: true,
    title: 'Likeness inside a group',
    note: 'Correlation of the rewards of one group. Near 1, branches differ too little to learn from.',
    write: writeNumber,
    curves: [{ label: 'correlation', tone: 'train', column: 'correlation' }],
  },
  {
    isInner: true,
    title: 'What could be learned from',
    note: 'Samples trained on, and groups whose branches all got the same reward.',
    write: writeNumber,
    curves: [
      { label: 'samples', tone: 'train', column: 'samples' },
      { label: 'groups without spread', tone: 'warn', column: 'zeroSpread' },
    ],
    isFromZero: true,
  },
  {
    isInner: true,
    title: 'Groups that were lost',
    note: 'Dead letters, too old, or without a judgment when the round closed.',
    write: writeNumber,
    curves: [
      { label: 'lost', tone: 'warn', column: 'lost' },
      { label: 'stale', tone: 'held-out', column: 'stale' },
      { label: 'late', tone: 'during', column: 'late' },
    ],
    isFromZero: true,
  },
  {
    isInner: true,
    title: 'Gradient norm',
    note: 'Of all gradients together, before clipping.',
    write: writeNumber,
    curves: [{ label: 'norm', tone: 'train', column: 'gradNorm' }],
    isFromZero: true,
  },
  {
    isInner: true,
    title: 'Distance moved',
    note: 'Mean |ratio − 1| to the policy that sampled, and KL to the pretrained model where it is measured.',
    write: writeNumber,
    curves: [
      { label: 'ratio', tone: 'train', column: 'drift' },
      { label: 'KL', tone: 'held-out', column: 'kl' },
    ],
    isFromZero: true,
  },
  {
    isInner: true,
    title: 'Trainer waiting',
    note: 'Share of the time in which the trainer waited for groups.',
    write: writeShare,
    writeTick: percent,
    curves: [{ label: 'waiting', tone: 'during', column: 'idle' }],
    isFromZero: true,
  },
];

const PART_TONES = ['train', 'held-out', 'warn', 'third', 'fourth', 'during'] as const;

/** Shown only where they are ever above 0. */
const MAY_BE_ZERO = new Set(['outside', 'lost', 'stale', 'late']);

/** The charts of what has been measured. */
export function chartsOf(table: MetricsTable): CurveChart[] {
  const isKnown = ({ column }: Curve) =>
    table.columns.get(column)?.some((value) => value !== null && (value !== 0 || !MAY_BE_ZERO.has(column))) ??
    false;
  const isByPeople = isKnown({ label: '', tone: 'train', column: 'outside' });
  // What people give is no measure: one of four is always the best.
  const isShown = (curve: Curve) => isKnown(curve) && !(isByPeople && curve.column === 'reward');
  const parts = [...table.columns.keys()].filter((name) => name.startsWith('part:'));
  const ofParts: CurveChart = {
    title: 'Parts of the reward',
    note: 'Means of what the rewards were combined from.',
    write: writeNumber,
    curves: parts.map((column, index) => ({
      label: column.slice('part:'.length),
      tone: PART_TONES[index % PART_TONES.length] ?? 'during',
      column,
    })),
  };
  const [first, second, ...others] = CHARTS;
  return [first, second, ofParts, ...others].flatMap((chart) => {
    const curves = chart?.curves.filter(isShown) ?? [];
    return chart && curves.length > 0 ? [{ ...chart, curves }] : [];
  });
}
