/** @file The guards of one run: they turn its figures into alarms, those logged before a resume first. */

import { Subject } from 'rxjs';
import { type CrossedThreshold, type Guard, type Limit, raiseAlarms } from '../../operators/index.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { GuardSpec, WatchedFigures } from '../guards/guard-spec.js';
import { GUARD_NAMES, GUARDS } from '../guards/index.js';
import { createOwnGuard } from '../guards/own-guard.js';
import type { GuardAction, GuardChanges } from '../messages/control-state.js';
import type { Alarm, Evaluation } from '../messages/run-events.js';

type AlarmAction = Exclude<GuardAction, 'off'>;

export interface GuardWatch {
  /** Aborted by an alarm whose action is `stop`. */
  readonly stopping: AbortSignal;
  /** That alarm; null if there was none. */
  stoppedBy(): Alarm | null;
  /** (1/2)^n after n alarms whose action is `lower-learning-rate`. */
  learningRateScale(): number;
  /** Takes the next figures of the run and returns the alarms that they raise. */
  watch(figures: WatchedFigures): readonly Alarm[];
}

/**
 * Starts the guards. Thresholds and actions are those of the settings, except what operators changed in the round that is
 * judged; an evaluation is judged like the round before it. An alarm is raised when a threshold is crossed, and takes effect
 * once: a figure that stays beyond it does not halve the learning rate again.
 *
 * Guards are not part of a checkpoint: what they remember follows from the figures in the log.
 *
 * @param base the evaluation of the base model.
 * @param logged the figures before a resume; their alarms take effect again.
 */
export function watchGuards(
  settings: ResolvedConfig['guards'],
  base: Evaluation,
  logged: readonly WatchedFigures[],
): GuardWatch {
  const figures$ = new Subject<WatchedFigures>();
  let changes: GuardChanges = {};
  const stop = new AbortController();
  let stoppedBy: Alarm | null = null;
  let learningRateScale = 1;
  let raised: Alarm[] = [];
  let fault: unknown;
  const watched = watchedGuards(settings);
  figures$.pipe(raiseAlarms(startedGuards(watched, base, () => changes))).subscribe({
    next(crossed) {
      const alarm = alarmOf(crossed, watched);
      raised.push(alarm);
      if (alarm.action === 'lower-learning-rate') learningRateScale /= 2;
      if (alarm.action !== 'stop') return;
      stoppedBy ??= alarm;
      stop.abort();
    },
    error: (error: unknown) => {
      fault = error;
    },
  });
  const watch = (figures: WatchedFigures) => {
    raised = [];
    if (figures.kind === 'round') changes = figures.control?.guards ?? {};
    figures$.next(figures);
    if (fault !== undefined) throw fault;
    return raised;
  };
  for (const figures of logged) watch(figures);
  return {
    stopping: stop.signal,
    stoppedBy: () => stoppedBy,
    learningRateScale: () => learningRateScale,
    watch,
  };
}

/** A guard, and what the config says of it. */
interface WatchedGuard {
  readonly spec: Pick<GuardSpec, 'quantity' | 'nextStep' | 'start'>;
  readonly settings: GuardSettings;
}

interface GuardSettings {
  readonly threshold: number;
  readonly action: GuardAction;
}

/** All guards by name, those of modules last. */
function watchedGuards(settings: ResolvedConfig['guards']): ReadonlyMap<string, WatchedGuard> {
  const known = GUARD_NAMES.map((name) => [name, { spec: GUARDS[name], settings: settings[name] }] as const);
  const own = Object.entries(settings.own ?? {}).map(([name, one]) => {
    const spec = createOwnGuard(name, one);
    const { threshold = spec.threshold, action = spec.action } = one;
    return [name, { spec, settings: { threshold, action } }] as const;
  });
  return new Map<string, WatchedGuard>([...known, ...own]);
}

function startedGuards(
  guards: ReadonlyMap<string, WatchedGuard>,
  base: Evaluation,
  changes: () => GuardChanges,
): Guard<WatchedFigures, AlarmAction>[] {
  return Array.from(guards, ([name, { spec, settings }]) => ({
    name,
    ...limitOf(settings),
    limitAt: () => limitOf({ ...settings, ...changes()[name] }),
    start: () => spec.start(base),
  }));
}

/** A guard that is off still watches: an operator may turn it on. */
function limitOf({ threshold, action }: GuardSettings): Limit<AlarmAction> {
  return action === 'off' ? { threshold: Number.POSITIVE_INFINITY, action: 'warn' } : { threshold, action };
}

const CONSEQUENCES: Readonly<Record<AlarmAction, string>> = {
  warn: '',
  'lower-learning-rate': ' From here on the learning rate is half of what it was.',
  stop: ' The run ends here with its best policy.',
};

function alarmOf(
  { guard, action, value, threshold, figures }: CrossedThreshold<WatchedFigures, AlarmAction>,
  guards: ReadonlyMap<string, WatchedGuard>,
): Alarm {
  const round = figures.kind === 'round' ? figures.round + 1 : figures.round;
  const { quantity = '', nextStep = '' } = guards.get(guard)?.spec ?? {};
  const after = round === 1 ? '1 round' : `${round} rounds`;
  return {
    guard,
    action,
    value,
    threshold,
    round,
    message: `guard ${guard} after ${after}: expected at most ${threshold} ${quantity}, got ${Number(value.toPrecision(3))}. ${nextStep}.${CONSEQUENCES[action]}`,
  };
}
