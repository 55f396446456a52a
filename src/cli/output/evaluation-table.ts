import { at } from '../../at.js';
import type { Evaluation } from '../../streams/messages/run-events.js';
import { type ComparedFigure, compareEvaluations, measuredFigures } from '../../streams/report/comparison.js';
import { writeShare } from '../../streams/report/figures.js';

/** Writes the figures of one policy as a table of plain text; what the model cannot measure has no row. */
export function evaluationTable({
  train,
  heldOut,
  byTemplate = {},
}: Pick<Evaluation, 'train' | 'heldOut' | 'byTemplate'>): string {
  const figures = measuredFigures(train, heldOut).map(({ name, of, write }) => [
    name,
    write(of(train)),
    write(of(heldOut)),
  ]);
  const templates = Object.entries(byTemplate).map(([template, alignment]) => [
    `  ${template}`,
    writeShare(alignment.train),
    writeShare(alignment.heldOut),
  ]);
  return textTable([
    ['', 'training prompts', 'held-out prompts'],
    ...figures,
    ...(templates.length === 0 ? [] : [['verified alignment by template'], ...templates]),
    ['images', String(train.images), String(heldOut.images)],
  ]);
}

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

/** Lines up cells in columns: the first to the left, the others to the right. Wide gaps begin a group of columns. */
function textTable(rows: readonly (readonly string[])[], groups: readonly number[] = []): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) => {
    const widest = Math.max(...rows.map((row) => row[column]?.length ?? 0));
    return widest + (column === 0 ? 0 : groups.includes(column) ? 5 : 2);
  });
  const aligned = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(at(widths, 0)) : cell.padStart(at(widths, column));
  return rows.map((row) => row.map(aligned).join('').trimEnd()).join('\n');
}
