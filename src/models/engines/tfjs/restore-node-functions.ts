import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/**
 * Gives `node:util` back what Node 23 has removed from it and tfjs-node 4.22 calls in every operator: `isNullOrUndefined`
 * and `isArray`. Does nothing where they are there.
 */
export function restoreNodeFunctions(): void {
  const util = require('node:util') as Record<string, unknown>;
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
}
