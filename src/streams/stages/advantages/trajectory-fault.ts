import type { Trajectory } from '../../../models/rollouts/sampler.js';
import type { RolloutGroup } from '../../../operators/index.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import { rolloutFault } from '../work/rollout-fault.js';

/**
 * Returns what is wrong with trajectories that anyone may have written, as a phrase `expected ..., got ...`; null where they
 * may be trained on.
 *
 * @param latentSize numbers in a latent of the model.
 */
export function trajectoryFault(
  config: ResolvedConfig,
  latentSize: number,
): (group: RolloutGroup<Trajectory>) => string | null {
  const faultOf = rolloutFault(config);
  return (group) => {
    const sizes = group.branches.map(({ latents, logProbs }) => latents.length / (logProbs.length + 1));
    const other = sizes.find((size) => size !== latentSize);
    const fault = other === undefined ? null : `expected latents of ${latentSize} numbers, got ${other}`;
    return faultOf(group) ?? fault;
  };
}
