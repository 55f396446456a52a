/** @file How the inner epochs of a round are split into updates, and what happens to the rest of each. */

import type { CounterRandom } from '../random/counter-random.js';
import type { UpdateSettings } from './trainer-settings.js';

type EpochSettings = Pick<Extract<UpdateSettings, { from: 'round' }>, 'innerEpochs' | 'remainder'>;

interface UpdateOfItems<Item> {
  /** The epoch in which the update ends. */
  readonly epoch: number;
  /** Its index among those that end in that epoch. */
  readonly update: number;
  readonly items: readonly Item[];
}

/**
 * Shuffles the items for every epoch and splits them into updates of u items. E epochs over N items make
 *
 *     train   E ceil(N / u)    updates: the rest of an epoch is a smaller update of its own
 *     carry   floor(E N / u)   updates: the rest begins the next epoch's first one; that of the last epoch is left out
 *     drop    E floor(N / u)   updates: the rest of every epoch is left out
 *
 * With `carry` an update that crosses epochs holds u items like any other, and may hold an item twice. No update lies
 * between its two halves, so both gradients are of one policy, and each item weighs 1 / u.
 *
 * Source of `carry`: B²-DiffuRL, hu-zijing/B2-DiffuRL run_train.py at 96a5365. `Accelerator.accumulate` counts micro-batches
 * through all epochs, because no data loader is prepared whose end would reset the count. What is left after the last epoch
 * ends with the process, and a process trains one round.
 *
 * Departure: from accelerate 0.32 on, `load_state` also restores the count, so the first update of a round comes early by
 * the micro-batches that the round before left over, without their gradients. The released program names no version.
 * Here every round counts from 0.
 */
export function* splitUpdates<Item>(
  items: readonly Item[],
  size: number,
  { innerEpochs, remainder }: EpochSettings,
  random: (epoch: number) => Pick<CounterRandom, 'shuffle'>,
): Generator<UpdateOfItems<Item>> {
  let carried: readonly Item[] = [];
  for (let epoch = 0; epoch < innerEpochs; epoch++) {
    const order = [...carried, ...random(epoch).shuffle(items)];
    const end = remainder === 'train' ? order.length : order.length - (order.length % size);
    for (let start = 0; start < end; start += size)
      yield { epoch, update: start / size, items: order.slice(start, Math.min(start + size, end)) };
    carried = remainder === 'carry' ? order.slice(end) : [];
  }
}
