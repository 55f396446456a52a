import { TributaryError } from '../../errors.js';
import { calling, createOwn, type OwnSettings, ownFault } from '../../own-entries.js';

/** Before the first latents: the branches share nothing but the prompt. */
export const BEFORE_NOISE = -1;

/** What a tree is planned for. */
export interface ForkPlace {
  /** Sampler steps that the round trains, ascending, 0 the noisiest. */
  readonly trainedSteps: readonly number[];
  /** Sampler steps of a rollout. */
  readonly numInferenceSteps: number;
}

/** What a module makes of its options: the steps before which every branch forks, ascending; -1 forks the initial noise. */
export type OwnForkPlan = (place: ForkPlace) => readonly number[];

/**
 * Asks the fork plan of a module.
 *
 * Errors: TRIB_CONFIG if it throws, or names no steps in ascending order; TRIB_INTERNAL without a module, which lint finds.
 */
export function ownForksAt(settings: OwnSettings | undefined, place: ForkPlace): readonly number[] {
  if (!settings) {
    const text = 'fork plan module: expected a forkModule, got none. Lint the config.';
    throw new TributaryError('TRIB_INTERNAL', text);
  }
  const { module } = settings;
  const plan = createOwn('fork plan', settings) as OwnForkPlan | undefined;
  if (typeof plan !== 'function')
    throw ownFault('fork plan', module, 'create to return a function', typeof plan);
  const forks: unknown = calling('fork plan', module, 'the plan', () => plan(place));
  const last = place.numInferenceSteps - 1;
  const isInOrder =
    Array.isArray(forks) &&
    forks.every((step, index) => Number.isInteger(step) && step > (forks[index - 1] ?? -2) && step <= last);
  if (isInOrder) return forks;
  const expected = `ascending steps in -1..${last}`;
  throw ownFault('fork plan', module, expected, JSON.stringify(forks) ?? typeof forks);
}
