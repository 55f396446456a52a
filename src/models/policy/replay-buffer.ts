/**
 * @file The replay buffer of DPOK: the newest transitions, whichever policy made them. A buffer is a plain list that is never
 * changed; its latents may be views of one trajectory, so do not change or transfer them.
 */

import { TributaryError } from '../../errors.js';
import type { CounterRandom } from '../random/counter-random.js';
import type { Trajectory } from '../rollouts/sampler.js';
import { elementCount } from '../tensor.js';

/** One sampler step of one trajectory, and the reward of its picture. */
export interface Transition {
  readonly prompt: string;
  readonly negativePrompt?: string;
  /** As in `Trajectory`. */
  readonly latentShape?: Trajectory['latentShape'];
  /** Sampler step, from 0. */
  readonly step: number;
  /** x before the step: [C, H, W], flat. */
  readonly latents: Float32Array;
  /** x after the step: [C, H, W], flat. */
  readonly nextLatents: Float32Array;
  /** Log-prob of the step under the policy that made it, however long the transition is kept. */
  readonly logProb: number;
  /** The normalized reward of the picture, which a value network learns to predict. */
  readonly reward: number;
  readonly policyVersion: number;
}

/** Transitions, oldest first. */
export type ReplayBuffer = readonly Transition[];

/**
 * Returns the buffer with transitions at its end, trimmed to the newest `capacity`.
 *
 * Source: DPOK, google-research/google-research dpok/train_online_pg.py at 1d49f2c, `_trim_buffer` (capacity 1000: at 50
 * steps, 20 trajectories).
 *
 * Errors: TRIB_INTERNAL if the capacity is not a whole number above 0, or latents are not as long as their shape says or,
 * without one, as the others.
 */
export function push(buffer: ReplayBuffer, transitions: ReplayBuffer, capacity: number): ReplayBuffer {
  if (!Number.isInteger(capacity) || capacity < 1)
    throw misused('capacity', 'a whole number above 0', `${capacity}`, 'Give the buffer room.');
  const all = [...buffer, ...transitions];
  const common = all.find(({ latentShape }) => latentShape === undefined)?.latents.length ?? 0;
  for (const { latents, nextLatents, latentShape } of transitions) {
    const length = latentShape ? elementCount(latentShape) : common;
    if (latents.length === length && nextLatents.length === length) continue;
    const got = `${latents.length} and ${nextLatents.length}`;
    throw misused('latents', `${length} numbers before and after a step`, got, 'Keep one buffer a model.');
  }
  return all.slice(-capacity);
}

/**
 * Draws `count` transitions, every subset equally likely and none twice, in random order; the whole buffer if it holds
 * fewer. Calls are independent: the next one may draw the same transitions.
 *
 * Departure: with too few transitions the source fails.
 */
export function sample(buffer: ReplayBuffer, count: number, random: CounterRandom): readonly Transition[] {
  return random.shuffle(buffer).slice(0, count);
}

function misused(what: string, expected: string, got: string, nextStep: string): TributaryError {
  return new TributaryError(
    'TRIB_INTERNAL',
    `replay buffer ${what}: expected ${expected}, got ${got}. ${nextStep}`,
  );
}
