/** @file The changes that operators make, as functions from the old control state to the new one. */

import { TributaryError } from '../../errors.js';
import { schedulePositionAt } from '../../operators/index.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { GUARD_NAMES, type GuardName } from '../guards/index.js';
import { type Control, GUARD_ACTIONS, UNCONTROLLED } from '../messages/control-state.js';
import type { ListedPrompt } from '../messages/prompts.js';

/** How far a run is. */
export interface RunPlace {
  /** The current round. */
  readonly round: number;
  readonly numRounds: number;
  /** Where the schedule is by itself, before what operators shift. */
  readonly position: number;
  readonly numPositions: number;
}

/**
 * Changes one thing; whoever writes it raises the version.
 *
 * Errors: TRIB_USAGE, naming what would be accepted.
 */
export type ControlChange = (wanted: Control, place: RunPlace) => Control;

/** Holds the schedule at a position, or where it is. */
export function freeze(position: number | null): ControlChange {
  return (wanted, place) => {
    const frozenAt = position ?? positionOf(wanted, place);
    requirePosition('freeze', frozenAt, place);
    return { ...wanted, schedule: { ...wanted.schedule, frozenAt } };
  };
}

/** Lets the schedule go on from where it would be by now. */
export const unfreeze: ControlChange = (wanted) => ({
  ...wanted,
  schedule: { ...wanted.schedule, frozenAt: null },
});

/** Moves the schedule by some positions; a frozen one stays frozen. */
export function moveSchedule(positions: number): ControlChange {
  return (wanted, place) => {
    const position = positionOf(wanted, place) + positions;
    requirePosition(positions < 0 ? 'rewind' : 'advance', position, place);
    const { schedule } = wanted;
    const moved =
      schedule.frozenAt === null
        ? { ...schedule, shift: position - place.position }
        : { ...schedule, frozenAt: position };
    return { ...wanted, schedule: moved };
  };
}

export function scaleLearningRate(learningRateScale: number): ControlChange {
  return (wanted) => {
    if (!Number.isFinite(learningRateScale) || learningRateScale <= 0)
      throw refused('learning-rate-scale', 'a number above 0', String(learningRateScale));
    return { ...wanted, learningRateScale };
  };
}

/** Sets a guard's threshold, its action, or both; the rest stays. */
export function changeGuard(
  settings: ResolvedConfig['guards'],
  name: string,
  { threshold, action }: { readonly threshold?: number; readonly action?: string },
): ControlChange {
  return (wanted) => {
    const guard = oneOf('guard', GUARD_NAMES, name);
    if (threshold === undefined && action === undefined)
      throw refused(`guard ${guard}`, '--threshold or --action', 'neither');
    if (threshold !== undefined && !(Number.isFinite(threshold) && threshold >= 0))
      throw refused(`guard ${guard} threshold`, 'a number of at least 0', String(threshold));
    requireMeasured(guard, settings);
    const change = {
      ...wanted.guards[guard],
      ...(threshold !== undefined && { threshold }),
      ...(action !== undefined && { action: oneOf(`guard ${guard} action`, GUARD_ACTIONS, action) }),
    };
    return { ...wanted, guards: { ...wanted.guards, [guard]: change } };
  };
}

/** Draws groups from these prompts instead of the training prompts. */
export function replacePrompts(prompts: readonly ListedPrompt[]): ControlChange {
  return (wanted) => {
    if (prompts.length === 0) throw refused('prompts', 'at least one prompt', 'none');
    return { ...wanted, prompts };
  };
}

/** Drops all changes. */
export const reset: ControlChange = () => UNCONTROLLED;

const positionOf = ({ schedule }: Control, { position, numPositions }: RunPlace) =>
  schedulePositionAt(position, schedule, numPositions);

function requirePosition(what: string, position: number, { numPositions }: RunPlace): void {
  if (Number.isInteger(position) && position >= 0 && position < numPositions) return;
  throw refused(what, `a position of the schedule, 0 to ${numPositions - 1}`, String(position));
}

/** The KL needs a forward pass of its own, which the training graph has from the start or never. */
function requireMeasured(guard: GuardName, settings: ResolvedConfig['guards']): void {
  if (guard !== 'klToPretrained' || settings.klToPretrained.action !== 'off') return;
  const others = GUARD_NAMES.filter((name) => name !== guard).join(', ');
  throw refused(
    `guard ${guard}`,
    `one whose figure this run measures (${others})`,
    'one that its config turns off',
  );
}

function oneOf<Word extends string>(what: string, words: readonly Word[], got: string): Word {
  const word = words.find((one) => one === got);
  if (word === undefined) throw refused(what, `one of ${words.join(', ')}`, JSON.stringify(got));
  return word;
}

function refused(what: string, expected: string, got: string): TributaryError {
  return new TributaryError(
    'TRIB_USAGE',
    `control ${what}: expected ${expected}, got ${got}. Nothing was changed; correct the command.`,
  );
}
