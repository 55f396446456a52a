import type { Evaluation } from '../../streams/messages/run-events.js';
import { FIGURES } from '../../streams/report/comparison.js';
import { writeShare } from '../../streams/report/figures.js';
import { textTable } from './text-table.js';

/** Writes the figures of one policy as a table of plain text; what the model cannot measure has no row. */
export function evaluationTable({
  train,
  heldOut,
  byTemplate = {},
}: Pick<Evaluation, 'train' | 'heldOut' | 'byTemplate'>): string {
  const figures = FIGURES.filter(({ of }) => of(train) !== null).map(({ name, of, write }) => [
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
