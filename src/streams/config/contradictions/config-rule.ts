import type { ResolvedConfig } from '../schema/topology-schema.js';
import type { FaultDetail, Path } from '../source/fault.js';

/** A fault with all the settings it depends on. It is dropped where one of them is faulty by itself. */
export interface Contradiction extends FaultDetail {
  readonly involves: readonly Path[];
}

/**
 * Reads several settings and returns those that do not fit together.
 * @param noisySteps - leading sampler steps that draw noise under the model's scheduler; absent where no model was read.
 */
export type ConfigRule = (config: ResolvedConfig, noisySteps?: number) => readonly Contradiction[];

/** Returns a contradiction at a path, with the other settings it depends on. */
export function contradiction(
  path: Path,
  said: Pick<FaultDetail, 'expected' | 'got' | 'nextStep'>,
  others: readonly Path[] = [],
): Contradiction {
  return { kind: 'contradiction', path, ...said, involves: [path, ...others] };
}
