import { TributaryError } from '../../../errors.js';
import { startThread } from '../../../models/threads/thread.js';
import { quoteThrown } from '../../../own-entries.js';
import { roleOf } from '../../config/graph/topology-graph.js';
import type { FaultDetail } from '../../config/source/fault.js';
import {
  keyOfModule,
  type StageModule,
  type StageModuleFaults,
  type TryModules,
} from '../../config/stage-modules.js';
import { TRAINER_ROLE } from '../../stages/index.js';
import type { ModulesService } from './modules-thread.js';

/**
 * Loads the modules of operators and rewards, one after another, each in a thread of its own, and creates what they define, as
 * a run does. Returns what is wrong with each.
 */
export async function tryModules(modules: readonly StageModule[]): Promise<StageModuleFaults> {
  const found = new Map<string, readonly FaultDetail[]>();
  for (const module of modules)
    if (!found.has(keyOfModule(module))) found.set(keyOfModule(module), await tryOut(module));
  return found;
}

async function tryOut(module: StageModule): Promise<readonly FaultDetail[]> {
  const thread = startThread<ModulesService>(new URL('./modules-thread.js', import.meta.url), 'modules');
  try {
    return await thread.call.tryOut(module);
  } catch (error) {
    if (!(error instanceof TributaryError) || error.code !== 'TRIB_THREAD') throw error;
    // A module may throw where nobody waits for it, or exit.
    const got = error.cause === undefined ? 'one that ends its thread' : quoteThrown(error.cause);
    const [expected, nextStep] = ['a module that loads', 'Correct the module.'];
    return [{ kind: 'bad-value', path: module.path.slice(-1), expected, got, nextStep }];
  } finally {
    await thread.close();
  }
}

/** Tries out the modules that a process with some roles opens. */
export const tryModulesOf =
  (rolesIn: (config: Parameters<typeof roleOf>[0]) => readonly string[]): TryModules =>
  async (modules, config) => {
    if (!config) return new Map();
    const roles = rolesIn(config);
    // The trainer evaluates, for which it opens every reward.
    const isOpened = ({ kind, path: [section, name] }: StageModule) =>
      (kind === 'reward' && roles.includes(TRAINER_ROLE)) ||
      (section === 'stages' && roles.includes(roleOf(config, String(name))));
    return tryModules(modules.filter(isOpened));
  };
