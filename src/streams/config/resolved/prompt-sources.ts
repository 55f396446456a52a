/** @file The sources of prompts that a config merges. */
import { doorTopic } from '../graph/stage-wires.js';
import type { ResolvedConfig, StageConfig } from '../schema/topology-schema.js';
import { findStage } from './stage-of.js';

type Merged = Extract<StageConfig<'prompts'>['source'], { readonly from: 'merge' }>['sources'][string];

/** One of several sources of prompts. */
export type NamedSource = Merged & { readonly name: string };

/** Returns the sources that are merged, in the order of the config; none where there is one alone. */
export function mergedSources(config: Pick<ResolvedConfig, 'stages'>): NamedSource[] {
  const source = findStage(config, 'prompts')?.source;
  if (source?.from !== 'merge') return [];
  return Object.entries(source.sources).map(([name, settings]) => ({ ...settings, name }));
}

/** The topics that others write for these sources, and their endpoints. */
export function promptDoors(config: Pick<ResolvedConfig, 'stages'>): string[] {
  return mergedSources(config).flatMap(({ from, name }) => (from === 'topic' ? [doorTopic(name)] : []));
}

/** Whether any prompts come over a topic. */
export function hasIncomingPrompts(config: Pick<ResolvedConfig, 'stages'>): boolean {
  return (
    findStage(config, 'prompts')?.source.from === 'topic' ||
    mergedSources(config).some(({ from }) => from === 'topic')
  );
}
