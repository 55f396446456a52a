import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { RUNS_ALL } from '../../fixtures/test-all.js';
import { validConfig } from './valid-config-arbitrary.js';

describe('a topology', () => {
  it('should come back from YAML as it was written, and once more when it is written out resolved', () => {
    fc.assert(
      fc.property(validConfig, (config) => {
        const { config: resolved, faults } = lintTopology(stringify(config), 'a.yaml');
        expect(faults).toEqual([]);
        expect(resolved).toEqual(config);
        expect(lintTopology(stringify(resolved), 'a.yaml').config).toEqual(resolved);
      }),
      { numRuns: RUNS_ALL ? 150 : 40 },
    );
  });

  it('should never make lint throw, whatever is put in the place of a value', () => {
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, undefined),
    );
    fc.assert(
      fc.property(validConfig, anything, fc.nat(), (config, value, choice) => {
        const paths = leafPaths(config);
        const broken = structuredClone(config) as Record<string, unknown>;
        const path = paths[choice % paths.length] ?? [];
        const last = path.at(-1) ?? '';
        const container = path.slice(0, -1).reduce((at, key) => at[key] as Record<string, unknown>, broken);
        container[last] = value;
        const { config: resolved, faults } = lintTopology(stringify(broken), 'a.yaml');
        expect(faults.length > 0).toBe(resolved === undefined);
        for (const { message } of faults) {
          expect(message).toMatch(/^a\.yaml:\d+:\d+ .+: expected .+, got .+\. .+[.?]$/s);
        }
      }),
      { numRuns: RUNS_ALL ? 300 : 80 },
    );
  });
});

function leafPaths(value: object, above: string[] = []): string[][] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => [
    [...above, key],
    ...(typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? leafPaths(inner, [...above, key])
      : []),
  ]);
}
