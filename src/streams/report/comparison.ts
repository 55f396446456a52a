import type { Evaluation, PromptSetEvaluation } from '../messages/run-events.js';
import type { Unit } from './axis.js';
import { writePoints, writeScore, writeShare, writeSigned } from './figures.js';

/** One figure of two policies, in words. */
export interface ComparedFigure {
  readonly base: string;
  readonly tuned: string;
  readonly change: string;
}

interface ComparisonRow {
  readonly name: string;
  readonly train: ComparedFigure;
  readonly heldOut: ComparedFigure;
}

interface Figure {
  readonly name: string;
  readonly unit: Unit;
  readonly of: (evaluated: PromptSetEvaluation) => number | null;
  readonly write: (value: number | null) => string;
  readonly change: (before: number, after: number) => string;
}

/** The figures of an evaluation, the honest one first. */
const FIGURES: readonly Figure[] = [
  {
    name: 'verified alignment',
    unit: 'share',
    of: ({ verifiedAlignment }) => verifiedAlignment,
    write: writeShare,
    change: (before, after) => writePoints(after - before),
  },
  {
    name: 'verifier score',
    unit: 'number',
    of: ({ verifierScore }) => verifierScore,
    write: writeScore,
    change: (before, after) => writeSigned(after - before, 3),
  },
  {
    name: 'reward',
    unit: 'number',
    of: ({ rewardMean }) => rewardMean,
    write: writeScore,
    change: (before, after) => writeSigned(after - before, 3),
  },
  {
    name: 'diversity',
    unit: 'number',
    of: ({ diversity }) => diversity,
    write: writeScore,
    change: (before, after) => (before === 0 ? '–' : `${((after / before) * 100).toFixed(0)} % kept`),
  },
];

/** Returns the figures of some evaluations, those of their gold rewards last. */
export function figuresOf(evaluated: readonly PromptSetEvaluation[]): readonly Figure[] {
  const gold = new Set(evaluated.flatMap(({ gold = {} }) => Object.keys(gold)));
  return [
    ...FIGURES,
    ...Array.from(
      gold,
      (name): Figure => ({
        name: `gold: ${name}`,
        unit: 'number',
        of: ({ gold }) => gold?.[name]?.mean ?? null,
        write: writeScore,
        change: (before, after) => writeSigned(after - before, 3),
      }),
    ),
  ];
}

/** Compares two policies figure by figure; what the model cannot measure has no row. */
export function compareEvaluations(base: Evaluation, tuned: Evaluation): ComparisonRow[] {
  const figures = figuresOf([base.train]).filter(({ of }) => of(base.train) !== null);
  return figures.map(({ name, of, write, change }) => {
    const compared = (before: number | null, after: number | null): ComparedFigure => ({
      base: write(before),
      tuned: write(after),
      change: before === null || after === null ? '–' : change(before, after),
    });
    return {
      name,
      train: compared(of(base.train), of(tuned.train)),
      heldOut: compared(of(base.heldOut), of(tuned.heldOut)),
    };
  });
}
