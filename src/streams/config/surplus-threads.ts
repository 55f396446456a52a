import type { ResolvedConfig } from './schema/topology-schema.js';

/** A warning where each stage has more threads than the machine has cores: no fault, as the config may be for another one. */
export function surplusThreads({ engine }: ResolvedConfig, cores: number): string[] {
  if (engine.threads <= cores) return [];
  return [
    `engine.threads: expected at most the ${cores} cores of this machine, got ${engine.threads}. More threads than cores slow the run down; use ${cores}.`,
  ];
}
