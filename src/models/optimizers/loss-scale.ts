/**
 * @file Dynamic loss scaling (Micikevicius et al. 2018, "Mixed precision training", section 3.2), as `torch.amp.GradScaler`:
 * the loss is multiplied by a scale before it is differentiated, so that gradients do not underflow half precision, and the
 * gradients are divided by the scale. If one is not finite, the update is skipped.
 */

import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import { parseJsonOrNull } from '../files/json-file.js';

export interface LossScaleOptions {
  /** The scale of the first update, above 0. */
  readonly initial: number;
  /** The scale doubles after this many updates in a row without a skipped one. */
  readonly growthInterval: number;
}

export interface LossScaleState {
  readonly scale: number;
  /** Updates since the scale last changed, none of them skipped. */
  readonly goodUpdates: number;
}

/** Factors of the scale: powers of two, so that scaling and unscaling are exact. */
const [GROWTH, BACKOFF] = [2, 0.5];

/**
 * Below this no scale helps: gradients above 65504 after multiplication by 2^-16 are above 4e9, and single precision would
 * not have kept them from stepping in an arbitrary direction.
 */
export const LEAST_LOSS_SCALE = 2 ** -16;

/** Above this, scale times a loss of 1 is not a float32. Gradients that never overflow at this scale are zero. */
const GREATEST_LOSS_SCALE = 2 ** 127;

export const initialLossScale = ({ initial }: LossScaleOptions): LossScaleState => ({
  scale: initial,
  goodUpdates: 0,
});

/** Returns the state after an update, which was skipped if its gradients were not finite. */
export function nextLossScale(
  { scale, goodUpdates }: LossScaleState,
  isSkipped: boolean,
  { growthInterval }: LossScaleOptions,
): LossScaleState {
  if (isSkipped) return { scale: scale * BACKOFF, goodUpdates: 0 };
  if (goodUpdates + 1 < growthInterval) return { scale, goodUpdates: goodUpdates + 1 };
  return { scale: Math.min(scale * GROWTH, GREATEST_LOSS_SCALE), goodUpdates: 0 };
}

const stateSchema = z.strictObject({ scale: z.number().positive(), goodUpdates: z.int().min(0) });

/** Returns the bytes of a state as a JSON file. Equal states give equal bytes. */
export function encodeLossScale({ scale, goodUpdates }: LossScaleState): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ scale, goodUpdates })}\n`);
}

/** Reads a state from the bytes of its file, `where`. Errors: TRIB_CHECKPOINT if they are not a state. */
export function decodeLossScale(bytes: Uint8Array, where: string): LossScaleState {
  const text = new TextDecoder().decode(bytes);
  const state = stateSchema.safeParse(parseJsonOrNull(text));
  if (state.success) return state.data;
  throw new TributaryError(
    'TRIB_CHECKPOINT',
    `${where} loss scale: expected {"scale": above 0, "goodUpdates": integer}, got ${text.slice(0, 80).trim()}. Remove this checkpoint; the one before it is used.`,
  );
}
