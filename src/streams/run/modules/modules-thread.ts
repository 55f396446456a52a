/** @file The thread in which lint tries out the modules of operators and rewards. It ends with whatever they have left open. */

import { readRewardModule } from '../../../models/rewards/sources/module.js';
import { serveThread } from '../../../models/threads/thread.js';
import type { FaultDetail } from '../../config/source/fault.js';
import { faultsOfIssue } from '../../config/source/schema-faults.js';
import type { StageModule } from '../../config/stage-modules.js';
import { readOperator } from '../../stages/operator/load-operator.js';

export interface ModulesService {
  /** What is wrong with a module, with paths from the mapping that names it. */
  tryOut(module: StageModule): Promise<readonly FaultDetail[]>;
}

const service: ModulesService = {
  async tryOut({ kind, path: place, module, options }) {
    const fault = (
      nextStep: string,
      { expected, got }: { readonly expected: string; readonly got: string },
    ) => ({ kind: 'bad-value', path: place.slice(-1), expected, got, nextStep }) as const;
    if (kind === 'operator') {
      const operator = await readOperator({ module, options });
      return typeof operator === 'function'
        ? []
        : [fault('Correct the module, see docs/topology.md.', operator)];
    }
    const reward = await readRewardModule({ path: module, options });
    if ('issues' in reward)
      return reward.issues.flatMap((issue) =>
        faultsOfIssue({ ...issue, path: ['options', ...issue.path] }, { options }),
      );
    if ('got' in reward) return [fault('Correct the module, see docs/rewards.md.', reward)];
    await reward.close?.();
    return [];
  },
};

// Of a thread, this ends the thread alone: timers and connections of a module would keep it.
serveThread(service, async () => process.exit());
