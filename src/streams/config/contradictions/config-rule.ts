import type { ResolvedConfig } from '../schema/topology-schema.js';
import type { FaultDetail, Path } from '../source/fault.js';

/** A fault with all the settings that it rests on: where one of them is at fault itself, this one says nothing new. */
export interface Contradiction extends FaultDetail {
  readonly involves: readonly Path[];
}

/**
 * Reads several settings and says which of them do not fit.
 * @param noisySteps - leading sampler steps that draw noise under the model's scheduler; absent where no model was read.
 */
export type ConfigRule = (config: ResolvedConfig, noisySteps?: number) => readonly Contradiction[];

/** A contradiction at a path, with the other settings that it rests on. */
export function contradiction(
  path: Path,
  expected: string,
  got: string,
  nextStep: string,
  others: readonly Path[] = [],
): Contradiction {
  return { kind: 'contradiction', path, expected, got, nextStep, involves: [path, ...others] };
}
