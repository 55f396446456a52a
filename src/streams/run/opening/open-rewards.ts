import type { NamedScorer } from '../../config/resolved/reward-parts.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { RewardThread } from '../../stages/reward/client.js';
import { startReward } from '../../stages/reward/client.js';
import type { OpenParts } from './open-parts.js';

/**
 * Begins to open the reward models of some stages, side by side. Returns what waits for all of them: a failure is that of
 * `parts`.
 *
 * @param imageShape of the pictures; null where the pipeline has to be asked.
 */
export function openRewards(
  config: ResolvedConfig,
  stages: readonly NamedScorer[],
  imageShape: Parameters<typeof startReward>[2],
  parts: OpenParts,
): () => Promise<ReadonlyMap<string, RewardThread>> {
  const opening = stages.map((stage) => ({
    name: stage.name,
    opened: parts.open((say) => startReward(config, stage, imageShape, say)),
  }));
  return async () =>
    new Map(await Promise.all(opening.map(async ({ name, opened }) => [name, await opened] as const)));
}
