/** @file The users' modules that a config names and that are opened where they run: operators, and rewards. */

import { type ResolvedConfig, topologySchema } from './schema/topology-schema.js';
import type { FaultDetail, Path } from './source/fault.js';
import { namedFiles } from './source/named-files.js';
import { isMapping, valueAt } from './source/value-tree.js';

/** A module of an operator stage, or of a reward: of a stage, of a part of its sum, or of an evaluation. */
export interface StageModule {
  readonly kind: 'operator' | 'reward';
  /** Of the word that names it. */
  readonly path: Path;
  readonly module: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** What is wrong with a module as it stands in a config; paths begin at the mapping that names it. */
export type StageModuleFaults = ReadonlyMap<string, readonly FaultDetail[]>;

/** Tries modules out. The config is there if nothing else is wrong with it. */
export type TryModules = (
  modules: readonly StageModule[],
  config: Pick<ResolvedConfig, 'stages'> | undefined,
) => Promise<StageModuleFaults>;

/** Two stages may use a module alike. */
export const keyOfModule = ({ kind, module, options }: StageModule): string =>
  JSON.stringify([kind, module, options]);

/** Returns the modules of operators and rewards that a config, or a faulty one, names. */
export function stageModules(config: unknown): StageModule[] {
  return namedFiles(topologySchema, config).flatMap(({ path, name }) => {
    const mapping = valueAt(config, path.slice(0, -1));
    const { type, from, options = {} } = isMapping(mapping) ? mapping : {};
    const kind =
      path.at(-1) === 'module' && type === 'operator'
        ? 'operator'
        : path.at(-1) === 'path' && from === 'module'
          ? 'reward'
          : null;
    // Options that are no mapping are a fault of their own.
    return kind ? [{ kind, path, module: name, options: isMapping(options) ? options : {} }] : [];
  });
}

/** What is wrong with the modules of a config that were tried out. */
export function stageModuleFaults(config: unknown, found: StageModuleFaults): FaultDetail[] {
  return stageModules(config).flatMap((named) =>
    (found.get(keyOfModule(named)) ?? []).map((fault) => ({
      ...fault,
      path: [...named.path.slice(0, -1), ...fault.path],
    })),
  );
}
