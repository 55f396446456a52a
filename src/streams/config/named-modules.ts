/** @file The users' modules that a config names: where, what each must export, and what is wrong with them. */

import { createSurrogate } from '../../models/objectives/index.js';
import { advantageRuleTraits } from '../../operators/index.js';
import { intervalSchedule } from '../../operators/interval-schedule.js';
import { loadedEntry, OwnFault, type OwnKind } from '../../own-entries.js';
import { loadOwnEntry, type ModuleProblem, requireOwnEntry } from '../../own-modules.js';
import { createOwnGuard } from '../guards/own-guard.js';
import { createServingRule } from '../stages/gateway/own-serving-rule.js';
import { type Contradiction, contradiction } from './contradictions/config-rule.js';
import { intervalTrees } from './resolved/interval-trees.js';
import { findStage } from './resolved/stage-of.js';
import type { ResolvedConfig } from './schema/topology-schema.js';
import type { Path } from './source/fault.js';
import { isMapping, valueAt } from './source/value-tree.js';

/** A module that a config names. */
export interface NamedModule {
  readonly kind: OwnKind;
  /** Of the mapping that names it. */
  readonly path: Path;
  readonly module: string;
}

/** What loading found: by kind and path of the module, what is wrong with it, or null. */
export type LoadedModules = ReadonlyMap<string, ModuleProblem | null>;

const keyOf = ({ kind, module }: NamedModule) => `${kind} ${module}`;

/** Returns the modules that a config, or a faulty one, names, but for rewards, whose thread loads them. */
export function namedModules(config: unknown): NamedModule[] {
  const mapping = (path: Path) => {
    const value = valueAt(config, path);
    return isMapping(value) ? value : {};
  };
  const at = (kind: OwnKind, path: Path): NamedModule[] => {
    const { module } = mapping(path);
    return typeof module === 'string' && module !== '' ? [{ kind, path, module }] : [];
  };
  const ofStages = Object.keys(mapping(['stages'])).flatMap((name) => {
    const path = ['stages', name];
    const { type, rule, mode } = mapping(path);
    return [
      ...(type === 'advantages' && rule === 'module' ? at('advantage rule', path) : []),
      ...(type === 'schedule' && mode === 'module' ? at('schedule', path) : []),
      ...(type === 'sampler' ? at('fork plan', [...path, 'forkModule']) : []),
      ...(type === 'gateway' ? at('serving rule', [...path, 'serve', 'rule']) : []),
      ...(type === 'trainer' ? at('surrogate', [...path, 'surrogate']) : []),
    ];
  });
  const own = ['guards', 'own'];
  return [...ofStages, ...Object.keys(mapping(own)).flatMap((name) => at('guard', [...own, name]))];
}

/** Loads modules in this thread. */
export async function loadModules(named: readonly NamedModule[]): Promise<LoadedModules> {
  const loading = named.map(async (one) => [keyOf(one), await loadOwnEntry(one.kind, one.module)] as const);
  return new Map(await Promise.all(loading));
}

/** Loads the modules of a config that lint has passed, perhaps in another process. Errors: as `requireOwnEntry`. */
export async function requireModules(config: ResolvedConfig): Promise<void> {
  for (const { kind, path } of namedModules(config))
    await requireOwnEntry(kind, valueAt(config, path) as Parameters<typeof requireOwnEntry>[1]);
}

const NEXT_STEP = 'Correct the module, see docs/own-modules.md.';

/** What is wrong with the modules of a config as files. */
export function moduleFaults(config: unknown, loaded: LoadedModules): Contradiction[] {
  return namedModules(config).flatMap((named) => {
    const path = [...named.path, 'module'];
    const problem = loaded.get(keyOf(named));
    if (problem) return [contradiction(path, { ...problem, nextStep: NEXT_STEP })];
    const written = valueAt(config, [...named.path, 'sha256']);
    const sha256 = loadedEntry(named.module)?.sha256 ?? '';
    if (written === undefined || written === sha256) return [];
    const nextStep = 'Put the file back, or remove `sha256`.';
    const said = { expected: `that of ${named.module}, ${sha256}`, got: String(written), nextStep };
    return [contradiction([...named.path, 'sha256'], said)];
  });
}

/** Whether the fork plan `module`, and it alone, has a module. Without one there is no tree to judge by. */
export function forkModuleFaults(config: ResolvedConfig): Contradiction[] {
  const sampler = findStage(config, 'sampler');
  if (!sampler || (sampler.forkPlan === 'module') === (sampler.forkModule !== undefined)) return [];
  const path = ['stages', sampler.name, 'forkModule'];
  const plan = ['stages', sampler.name, 'forkPlan'];
  const said = sampler.forkModule
    ? { expected: `none for the fork plan ${sampler.forkPlan}`, got: 'one' }
    : { expected: 'a module for the fork plan module', got: 'nothing' };
  const nextStep = sampler.forkModule ? 'Set forkPlan: module, or remove it.' : 'Name its module.';
  return [contradiction(path, { ...said, nextStep }, [plan])];
}

/** What is wrong with what the modules of a config make of their options; all of them must be loaded. */
export function madeFaults(config: ResolvedConfig): Contradiction[] {
  return namedModules(config).flatMap(({ kind, path }) => {
    try {
      tryOut(kind, config, path);
      return [];
    } catch (error) {
      if (!(error instanceof OwnFault)) throw error;
      const { expected, got } = error;
      const others = [
        [...path, 'options'],
        ...(kind === 'schedule' || kind === 'fork plan' ? SIZES(config) : []),
      ];
      return [contradiction([...path, 'module'], { expected, got, nextStep: NEXT_STEP }, others)];
    }
  });
}

/** The settings that decide which steps there are. */
const SIZES = (config: ResolvedConfig): Path[] =>
  (['prompts', 'sampler', 'schedule'] as const).flatMap((type) => {
    const stage = findStage(config, type);
    return stage ? [['stages', stage.name]] : [];
  });

function tryOut(kind: OwnKind, config: ResolvedConfig, path: Path): void {
  const [prompts, sampler] = [findStage(config, 'prompts'), findStage(config, 'sampler')];
  switch (kind) {
    case 'surrogate': {
      const trainer = findStage(config, 'trainer');
      if (trainer) createSurrogate(trainer.surrogate);
      return;
    }
    case 'advantage rule': {
      const advantages = findStage(config, 'advantages');
      if (advantages) advantageRuleTraits(advantages);
      return;
    }
    case 'schedule': {
      const spec = findStage(config, 'schedule');
      if (!spec || !prompts || !sampler) return;
      const { numRounds, plannedRounds } = prompts;
      intervalSchedule({ spec, numInferenceSteps: sampler.numInferenceSteps, numRounds, plannedRounds });
      return;
    }
    case 'fork plan':
      intervalTrees(config);
      return;
    case 'guard': {
      const name = String(path.at(-1));
      const settings = config.guards.own?.[name];
      if (settings) createOwnGuard(name, settings);
      return;
    }
    case 'serving rule': {
      const rule = findStage(config, 'gateway')?.serve.rule;
      if (rule) createServingRule(rule);
      return;
    }
    case 'reward':
      return;
    default:
      kind satisfies never;
  }
}
