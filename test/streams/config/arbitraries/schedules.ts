import fc from 'fast-check';
import type { StageConfig } from '../../../../src/streams/config/schema/topology-schema.js';
import { count } from './numbers.js';

/** Schedules that train at most so many steps at a time, of so many sampler steps and rounds. */
export function schedule(
  numInferenceSteps: number,
  numRounds: number,
  most: number,
): fc.Arbitrary<StageConfig<'schedule'>> {
  const type = fc.constant('schedule' as const);
  const steps = count(Math.min(numInferenceSteps, most));
  const entries = (step: fc.Arbitrary<number>) =>
    fc.array(step, { minLength: 1, maxLength: Math.min(numRounds, most, 6) });
  return fc.oneof(
    fc
      .tuple(steps, steps)
      .map((pair) => pair.sort((a, b) => a - b))
      .chain(([first = 1, last = 1]) =>
        fc.record({
          type,
          mode: fc.constant('floor-linear' as const),
          first: fc.constant(first),
          last: fc.constant(last),
        }),
      ),
    fc.record({ type, mode: fc.constant('constant' as const), steps }),
    fc.record({ type, mode: fc.constant('list' as const), phases: entries(steps) }),
    fc.record({ type, mode: fc.constant('sparse' as const), phases: entries(count(numInferenceSteps)) }),
    fc.tuple(steps, fc.nat(9), count(9)).map(([length, from, everyRounds]) => ({
      type: 'schedule' as const,
      mode: 'window' as const,
      length,
      everyRounds,
      from: Math.min(from, numInferenceSteps - length),
      until: numInferenceSteps,
      order: from % 2 ? ('scattered' as const) : ('progressive' as const),
    })),
    fc.record({
      type,
      mode: fc.constant('fraction' as const),
      // Half a step more, as k / S times S may come to less than k.
      timestepFraction: steps.map((number) => Math.min(1, (number + 0.5) / numInferenceSteps)),
    }),
  );
}
