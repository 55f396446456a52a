import { TributaryError } from '../../errors.js';
import { mostGroups } from '../config/resolved/most-groups.js';
import { stageOf } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { TopicMessages } from '../messages/messages.js';
import type { Transport } from '../transport/contract/transport.js';

/**
 * Checks that a run can be repeated from its checkpoint to where its topics stand: the trainer is given all groups since then
 * once more, and holds no more of them than its checkpoints keep apart.
 *
 * **Errors**: TRIB_CHECKPOINT where the topics are further ahead, as when all checkpoints are damaged.
 */
export async function requireReach(
  transport: Transport<TopicMessages>,
  config: ResolvedConfig,
  completeRounds: number,
): Promise<void> {
  const { groupsPerRound, runAhead } = stageOf(config, 'prompts');
  const reached = (await transport.newest('progress'))?.round ?? 0;
  const groups = (reached - completeRounds) * groupsPerRound + runAhead;
  if (groups <= mostGroups(config)) return;
  const { keep, everyRounds } = config.checkpoints;
  throw new TributaryError(
    'TRIB_CHECKPOINT',
    `run ${config.name}: expected a checkpoint at most ${keep * everyRounds} rounds behind the topics, which are at round ${reached}, got one at round ${completeRounds}. Put a newer one back, raise checkpoints.keep to hold ${groups} groups in memory, or start anew with another --run-dir and transport.kafka.prefix.`,
  );
}
