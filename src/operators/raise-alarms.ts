import { defer, mergeMap, type OperatorFunction } from 'rxjs';
import { TributaryError } from '../errors.js';

/** A threshold, and what to do when a figure exceeds it. */
export interface Limit<Action> {
  readonly threshold: number;
  /** What an alarm asks for; passed on as it is. */
  readonly action: Action;
}

/** One figure to watch. */
export interface Guard<Figures, Action> extends Limit<Action> {
  readonly name: string;
  /** The limit for these figures; a threshold of `Infinity` is none. Default: the guard's own. */
  readonly limitAt?: (figures: Figures) => Limit<Action>;
  /**
   * Starts to watch, once per subscription. The function it returns sees all figures in turn, may keep state, and returns
   * the value to compare; null where these figures have none.
   */
  readonly start: () => (figures: Figures) => number | null;
}

/** A guard whose threshold was crossed. */
export interface CrossedThreshold<Figures, Action> {
  readonly guard: string;
  readonly action: Action;
  readonly value: number;
  readonly threshold: number;
  /** The figures that crossed it. */
  readonly figures: Figures;
}

/**
 * Raises an alarm when a guarded value exceeds its threshold. Like `filter`, but a value that stays above raises one
 * alarm, and the next only after it was back at or below.
 *
 * ```
 * source  a--b--c--d--e--|      threshold 2; the values are 1, 3, 4, 2, 5
 * result  ---B--------E--|
 * ```
 *
 *     alarm at i  <=>  value(i) > threshold, and the previous value was not
 *
 * The first value has no previous one, nor has the first under a new threshold or action: a value above it raises an alarm
 * again. A value that is null or NaN changes nothing.
 *
 * Time: emits at once, in the order of `guards`. Completes and errs with the source, or errs with a throw of `start` or of
 * the function it returned. Keeps one bit per guard, and the state of the guards; a second subscriber starts fresh.
 *
 * Errors: TRIB_OPERATOR for a threshold that is NaN, at call time.
 *
 * Example:
 * ```js
 * const guard = { name: 'load', threshold: 2, action: 'warn', start: () => ({ load }) => load };
 * const loads$ = of({ load: 1 }, { load: 3 }, { load: 4 });
 * const result$ = loads$.pipe(raiseAlarms([guard]), map(({ guard, value }) => `${guard} ${value}`));
 * // ['load 3']
 * ```
 */
export function raiseAlarms<Figures, Action>(
  guards: readonly Guard<Figures, Action>[],
): OperatorFunction<Figures, CrossedThreshold<Figures, Action>> {
  for (const guard of guards) requireThreshold(guard);
  return (source) =>
    defer(() => {
      const watches = guards.map(watch);
      return source.pipe(mergeMap((figures) => watches.flatMap((alarmsOf) => alarmsOf(figures))));
    });
}

function watch<Figures, Action>(guard: Guard<Figures, Action>) {
  const { name, limitAt = () => guard } = guard;
  const measure = guard.start();
  let limit: Limit<Action> = guard;
  let isOutside = false;
  return (figures: Figures): CrossedThreshold<Figures, Action>[] => {
    const { threshold, action } = limitAt(figures);
    const isSameLimit = threshold === limit.threshold && action === limit.action;
    limit = { threshold, action };
    const wasOutside = isOutside && isSameLimit;
    isOutside = wasOutside;
    const value = measure(figures);
    if (value === null || Number.isNaN(value)) return [];
    isOutside = value > threshold;
    return isOutside && !wasOutside ? [{ guard: name, action, value, threshold, figures }] : [];
  };
}

function requireThreshold({ name, threshold }: Guard<never, unknown>): void {
  if (!Number.isNaN(threshold)) return;
  throw new TributaryError(
    'TRIB_OPERATOR',
    `raiseAlarms ${name} \`threshold\`: expected a number, got NaN. Pass the largest value that raises no alarm.`,
  );
}
