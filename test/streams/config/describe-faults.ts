import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';

/** A config, and everything that is wrong with it. */
export type BadConfig = readonly [about: string, text: string, messages: readonly string[]];

/** Checks that lint says all that is wrong with each of some configs, in the order of the text. */
export function describeFaults(name: string, configs: readonly BadConfig[]): void {
  describe(name, () => {
    it.each(configs)('should report %s', (_, text, messages) => {
      const { faults, config } = lintTopology(text, 'a.yaml');
      expect(faults.map(({ message }) => message).sort()).toEqual([...messages].sort());
      expect(config).toBeUndefined();
      const orders = faults.map(({ place }) => place.order);
      expect(orders).toEqual([...orders].sort((a, b) => a - b));
    });
  });
}
