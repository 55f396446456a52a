import { calling, createOwn, type OwnSettings, ownFault } from '../own-entries.js';

/** Where a run is. */
export interface SchedulePosition {
  /** 0, 1, ... */
  readonly round: number;
  readonly numRounds: number;
  /** Sampler steps of a rollout. */
  readonly numInferenceSteps: number;
}

/** What a module makes of its options: how many of the last sampler steps a round trains, or which steps, 0 the noisiest. */
export type OwnSchedule = (position: SchedulePosition) => number | readonly number[];

/** Asks the schedule of a module. Errors: TRIB_CONFIG if it throws, or names no steps in ascending order. */
export function ownStepsAt(settings: OwnSettings, position: SchedulePosition): number | number[] {
  const { module } = settings;
  const schedule = createOwn('schedule', settings) as OwnSchedule | undefined;
  if (typeof schedule !== 'function')
    throw ownFault('schedule', module, 'create to return a function', typeof schedule);
  const { numInferenceSteps: most, round } = position;
  const answer: unknown = calling('schedule', module, `round ${round}`, () => schedule(position));
  if (typeof answer === 'number' && Number.isInteger(answer) && answer >= 1 && answer <= most) return answer;
  if (Array.isArray(answer) && answer.length > 0) {
    const isInOrder = answer.every(
      (step, place) => Number.isInteger(step) && step > (answer[place - 1] ?? -1),
    );
    if (isInOrder && answer.at(-1) < most) return answer;
  }
  const expected = `a number in 1..${most} or ascending steps in 0..${most - 1} for round ${round}`;
  throw ownFault('schedule', module, expected, JSON.stringify(answer) ?? typeof answer);
}
