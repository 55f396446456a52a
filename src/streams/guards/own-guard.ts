import { calling, createOwn, type OwnSettings, ownFault } from '../../own-entries.js';
import { GUARD_ACTIONS, type GuardAction } from '../messages/control-state.js';
import type { Evaluation } from '../messages/run-events.js';
import type { GuardSpec, WatchedFigures } from './guard-spec.js';

/** What a module makes of its options. */
export interface OwnGuard {
  /** The largest figure without an alarm, unless the config says another. */
  readonly threshold: number;
  /** What an alarm does, unless the config says it. Default: `warn`. */
  readonly action?: GuardAction;
  /** Follows the threshold in an alarm, as in "expected at most 0.2" `of the pictures dark`. */
  readonly quantity: string;
  /** What can be done about it, without a full stop. */
  readonly nextStep: string;
  /**
   * Starts to watch a run; `base` is the evaluation of its base model. What it returns gets the figures of each round and
   * each evaluation, in order, those before a resume, too, and says how far the failure has gone; null if they do not tell.
   */
  readonly start: (base: Evaluation) => (figures: WatchedFigures) => number | null;
}

/** Creates the guard of a module. Errors: TRIB_CONFIG, from its measure, too, if it throws or gives no number. */
export function createOwnGuard(
  name: string,
  settings: OwnSettings,
): Pick<GuardSpec, 'quantity' | 'nextStep' | 'start'> & {
  readonly threshold: number;
  readonly action: GuardAction;
} {
  const { module } = settings;
  const fault = (expected: string, got: unknown) =>
    ownFault('guard', `${name} (${module})`, expected, JSON.stringify(got) ?? typeof got);
  const {
    threshold,
    action = 'warn',
    quantity,
    nextStep,
    start,
  } = (createOwn('guard', settings) ?? {}) as Partial<OwnGuard>;
  if (typeof start !== 'function') throw fault('create to return a function start', start);
  if (!(typeof threshold === 'number' && threshold >= 0)) throw fault('a threshold of at least 0', threshold);
  if (!GUARD_ACTIONS.includes(action)) throw fault(`an action out of ${GUARD_ACTIONS.join(', ')}`, action);
  if (typeof quantity !== 'string' || typeof nextStep !== 'string')
    throw fault('texts quantity and nextStep', { quantity, nextStep });
  return {
    threshold,
    action,
    quantity,
    nextStep,
    start(base) {
      const measure = calling('guard', `${name} (${module})`, 'start', () => start(base));
      return (figures) => {
        const value: unknown = calling('guard', `${name} (${module})`, 'its measure', () => measure(figures));
        if (value === null || (typeof value === 'number' && !Number.isNaN(value))) return value;
        throw fault(`a number or null for this ${figures.kind}`, Number.isNaN(value) ? 'NaN' : value);
      };
    },
  };
}
