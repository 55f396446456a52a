/** @file The state of a loss scale as a JSON file. */

import { z } from 'zod';
import { TributaryError } from '../../errors.js';
import type { LossScaleState } from './loss-scale.js';

const stateSchema = z.strictObject({ scale: z.number().positive(), goodUpdates: z.int().min(0) });

/** Returns the bytes of a state: equal states give equal bytes. */
export function encodeLossScale({ scale, goodUpdates }: LossScaleState): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ scale, goodUpdates })}\n`);
}

/**
 * Reads a state.
 *
 * @throws TRIB_CHECKPOINT where the bytes hold none.
 * @param where - the file's name, for the text of an error.
 */
export function decodeLossScale(bytes: Uint8Array, where: string): LossScaleState {
  const text = new TextDecoder().decode(bytes);
  const state = stateSchema.safeParse(jsonOrNull(text));
  if (state.success) return state.data;
  throw new TributaryError(
    'TRIB_CHECKPOINT',
    `${where} loss scale: expected {"scale": above 0, "goodUpdates": whole}, got ${text.slice(0, 80).trim()}. Remove this checkpoint; the one before it is used.`,
  );
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
