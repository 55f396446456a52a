import { schedulePositionAt } from '../../operators/index.js';
import type { RunPlace } from '../../streams/control/control-changes.js';
import type { Control } from '../../streams/messages/control-state.js';

interface ControlTableOptions {
  /** What is wanted of the run, by what to call it, such as `was` and `is`. */
  readonly states: Readonly<Record<string, Control>>;
  readonly place: RunPlace;
}

/** Says what is wanted of a run, state beside state, and from when on the last of them holds. */
export function controlTable({ states, place }: ControlTableOptions): string {
  const columns = Object.entries(states).map(([name, control]) => [name, ...cells(control, place)]);
  const names = ['', 'version', 'schedule', 'learning rate', 'guards', 'prompts'];
  const rows = names.map((name, row) => [name, ...columns.map((column) => column[row] ?? '')]);
  const { round, numRounds } = place;
  const now = `round ${round} of 0 to ${numRounds - 1} is under way; it keeps what it began with`;
  const widths = names.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [...lines, now].join('\n');
}

/** One for each thing that can be changed; `as configured` where it is not. */
function cells(
  { version, schedule, learningRateScale, guards, prompts }: Control,
  place: RunPlace,
): string[] {
  const { shift, frozenAt } = schedule;
  const at = `position ${schedulePositionAt(place.round, schedule, place.numRounds)}`;
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
    prompts ? `${prompts.length} in place of the configured` : 'as configured',
  ];
}
