import type { NetworkRows } from '../../messages/run-events.js';

/** A backward pass costs about twice its forward pass. */
const FORWARDS_PER_TRAINING_PASS = 3;

/** Rows through the network as forward passes of one row: a cost that depends on no machine. */
export function networkPasses({ sampling, training }: NetworkRows): number {
  return sampling + FORWARDS_PER_TRAINING_PASS * training;
}
