import { at } from '../../at.js';
import { schedulePositionAt } from '../../operators/index.js';
import type { RunPlace } from '../../streams/control/control-changes.js';
import type { Control } from '../../streams/messages/control-state.js';

interface ControlTableOptions {
  /** Wanted states by their column names, such as `was` and `is`. */
  readonly states: Readonly<Record<string, Control>>;
  readonly place: RunPlace;
}

/** Writes wanted states of a run side by side, and when the last of them takes effect. */
export function controlTable({ states, place }: ControlTableOptions): string {
  const columns = Object.entries(states).map(([name, control]) => [name, ...cells(control, place)]);
  const names = ['', 'version', 'schedule', 'learning rate', 'guards', 'prompts'];
  const rows = names.map((name, row) => [name, ...columns.map((column) => at(column, row))]);
  const { round, numRounds } = place;
  const now = `round ${round} of 0 to ${numRounds - 1} is in progress and keeps the settings it started with`;
  const widths = at(rows, 0).map((_, column) => Math.max(...rows.map((row) => at(row, column).length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(at(widths, column)))
      .join('  ')
      .trimEnd(),
  );
  return [...lines, now].join('\n');
}

/** One cell for each thing that can be changed; `as configured` where it is not. */
function cells(
  { version, schedule, learningRateScale, guards, prompts }: Control,
  place: RunPlace,
): string[] {
  const { shift, frozenAt } = schedule;
  const at = `position ${schedulePositionAt(place.position, schedule, place.numPositions)}`;
  const moved = `${Math.abs(shift)} ${shift < 0 ? 'behind' : 'ahead'}`;
  const changed = Object.entries(guards).map(([name, { threshold, action }]) =>
    [name, ...(threshold === undefined ? [] : [threshold]), ...(action ? [action] : [])].join(' '),
  );
  return [
    String(version),
    frozenAt !== null
      ? `frozen at ${frozenAt}`
      : shift !== 0
        ? `${moved}, at ${at}`
        : `as configured, at ${at}`,
    learningRateScale === 1 ? 'as configured' : `times ${learningRateScale}`,
    changed.length === 0 ? 'as configured' : changed.join('; '),
    prompts ? `${prompts.length} instead of the configured ones` : 'as configured',
  ];
}
