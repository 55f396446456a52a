import type { ModelFacts } from '../resolved/model-facts.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';
import type { FaultDetail, Path } from '../source/fault.js';

/** A fault with all the settings it depends on. It is dropped where one of them is faulty by itself. */
export interface Contradiction extends FaultDetail {
  readonly involves: readonly Path[];
}

/**
 * Reads several settings and returns those that do not fit together.
 * @param model - what is known of the config's model; nothing where none was read.
 */
export type ConfigRule = (config: ResolvedConfig, model: ModelFacts) => readonly Contradiction[];

/** Returns a contradiction at a path, with the other settings it depends on. */
export function contradiction(
  path: Path,
  said: Pick<FaultDetail, 'expected' | 'got' | 'nextStep'>,
  others: readonly Path[] = [],
): Contradiction {
  return { kind: 'contradiction', path, ...said, involves: [path, ...others] };
}

/** At most eight divisors, those nearest to the value, in ascending order. */
export function divisorsNear(total: number, written: number): number[] {
  const divisors: number[] = [];
  for (let low = 1; low * low <= total; low++) {
    if (total % low === 0) divisors.push(low, ...(low * low === total ? [] : [total / low]));
  }
  const distance = (value: number) => Math.abs(Math.log(value / written));
  return divisors
    .sort((a, b) => distance(a) - distance(b))
    .slice(0, 8)
    .sort((a, b) => a - b);
}

export function useOneOf(values: readonly number[]): string {
  const last = values.at(-1);
  return values.length > 1 ? `Use ${values.slice(0, -1).join(', ')} or ${last}.` : `Use ${last}.`;
}
