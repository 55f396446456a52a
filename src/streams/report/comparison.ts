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

/** A figure with a name of its own, such as a gold reward. */
const named = (name: string, of: Figure['of']): Figure => ({
  name,
  unit: 'number',
  of,
  write: writeScore,
  change: (before, after) => writeSigned(after - before, 3),
});

/** Returns the figures of some evaluations: after those of all, the parts that rewards are combined from, and gold rewards. */
export function figuresOf(evaluated: readonly PromptSetEvaluation[]): readonly Figure[] {
  const parts = new Set(evaluated.flatMap(({ rewardParts = {} }) => Object.keys(rewardParts)));
  const gold = new Set(evaluated.flatMap(({ gold = {} }) => Object.keys(gold)));
  return [
    ...FIGURES,
    ...Array.from(parts, (name) => named(`part: ${name}`, ({ rewardParts }) => rewardParts?.[name] ?? null)),
    ...Array.from(gold, (name) => named(`gold: ${name}`, ({ gold }) => gold?.[name]?.mean ?? null)),
  ];
}

/** Returns the figures that one of two lists of prompts has: prompts may name the parts that reward them. */
export function measuredFigures(train: PromptSetEvaluation, heldOut: PromptSetEvaluation): readonly Figure[] {
  const lists = [train, heldOut];
  return figuresOf(lists).filter(({ of }) => lists.some((list) => of(list) !== null));
}

/** Compares two policies figure by figure; what the model cannot measure has no row. */
export function compareEvaluations(base: Evaluation, tuned: Evaluation): ComparisonRow[] {
  return measuredFigures(base.train, base.heldOut).map(({ name, of, write, change }) => {
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
