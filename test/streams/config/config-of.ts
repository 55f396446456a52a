import { expect } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { SMALLEST } from './valid-config.js';

/** The smallest valid config with these overrides, resolved. */
export const configOf = (...overrides: string[]) => {
  const { config, faults } = lintTopology(SMALLEST, 'a.yaml', { overrides });
  expect(faults).toEqual([]);
  if (!config) throw new Error('no config');
  return config;
};
