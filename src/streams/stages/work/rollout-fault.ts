import { treeWidths } from '../../../models/rollouts/fork-plans.js';
import type { RolloutGroup } from '../../../operators/index.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import { groupFault } from './group-fault.js';

/**
 * Returns what is wrong with rollouts that anyone may have written, as a phrase `expected ..., got ...`; null where a sampler
 * of this config may have made them. Whether their steps are the ones that are trained now is for `discardStale` to say.
 */
export function rolloutFault(config: ResolvedConfig): (group: RolloutGroup<unknown>) => string | null {
  const sampler = stageOf(config, 'sampler');
  const { numInferenceSteps } = sampler;
  const faultOf = groupFault(config);
  return (group) => {
    const fault = faultOf(group);
    if (fault !== null) return fault;
    const { firstStep, numSteps, trainedSteps } = group.interval;
    if (numSteps !== numInferenceSteps)
      return `expected rollouts of ${numInferenceSteps} steps, got ${numSteps}`;
    const widths = treeWidths(sampler, trainedSteps, numInferenceSteps).slice(firstStep);
    const expected = treeText({ firstStep, widths });
    const got = treeText(group.tree);
    return expected === got ? null : `expected the tree ${expected}, got ${got}`;
  };
}

/** `3: 1, 2, 2`: nodes before step 3 and each after it, leaves last. */
function treeText({ firstStep, widths }: RolloutGroup<unknown>['tree']): string {
  return `${firstStep}: ${widths.join(', ')}`;
}
