import type { Evaluation } from '../../streams/messages/run-events.js';
import { type ComparedFigure, compareEvaluations } from '../../streams/report/comparison.js';
import { textTable } from './text-table.js';

/** Writes base -> tuned as a table of plain text, training prompts beside held-out ones. */
export function comparisonTable(base: Evaluation, tuned: Evaluation): string {
  const cells = ({ base: before, tuned: after, change }: ComparedFigure) => [before, after, change];
  const figures = compareEvaluations(base, tuned).map(({ name, train, heldOut }) => [
    name,
    ...cells(train),
    ...cells(heldOut),
  ]);
  return textTable(
    [
      ['', '', '', 'training prompts', '', '', 'held-out prompts'],
      ['', 'base', 'tuned', 'change', 'base', 'tuned', 'change'],
      ...figures,
    ],
    [4],
  );
}
