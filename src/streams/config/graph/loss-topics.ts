import type { ResolvedConfig } from '../schema/topology-schema.js';
import { stageWires } from './stage-wires.js';
import { graphTopics, kindOfTopic, outcomeTopic, topicOf } from './topology-graph.js';

/**
 * Returns the topics on which the loss of a group is told where an operator stage lets go of its message, all of rewards: for
 * rewards the topic that it writes; for pictures those of the reward stages that will not see them; else the one on which the
 * round waits for the outcome of the group.
 */
export function lossTopics(config: Pick<ResolvedConfig, 'stages'>, name: string): 'rewards'[] {
  const [written] = stageWires(config.stages, name).writes;
  const outcome = outcomeTopic(config);
  const kind = written && kindOfTopic(config)(written.topic);
  const topics =
    written === undefined || kind === undefined
      ? [outcome]
      : kind === 'rewards'
        ? [written.topic]
        : kind === 'images'
          ? rewardTopicsBehind(config, written.topic)
          : [outcome];
  // All of them carry rewards.
  return (topics.length > 0 ? topics : [outcome]) as 'rewards'[];
}

/** The topics of rewards for the pictures of a topic, through whatever operators come after it. */
function rewardTopicsBehind(
  config: Pick<ResolvedConfig, 'stages'>,
  topic: string,
  passed: readonly string[] = [],
): string[] {
  const readers = graphTopics(config).find(({ name }) => name === topic)?.readers ?? [];
  return readers.flatMap((reader) => {
    const stage = config.stages[reader];
    if (stage?.type === 'reward') return [topicOf(config, reader, 'writes', 'rewards')];
    if (stage?.type !== 'operator' || passed.includes(reader)) return [];
    return rewardTopicsBehind(config, stage.writes, [...passed, reader]);
  });
}
