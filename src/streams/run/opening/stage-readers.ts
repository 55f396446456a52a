/** @file Which topic each stage reads, and for which consumer group: by that a role is known to be there, or behind. */

import { roleOf } from '../../config/graph/topology-graph.js';
import { scoringStages } from '../../config/resolved/reward-parts.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { TopicName } from '../../messages/topics.js';

export interface StageReader {
  readonly stage: string;
  readonly role: string;
  /** Under the name of the stage's port. */
  readonly topic: TopicName;
  readonly group: string;
}

/** What each stage reads, one topic a stage: the one with its work. */
export function stageReaders(config: ResolvedConfig): StageReader[] {
  const scoring = scoringStages(config);
  const readingOf = (stage: string): readonly [topic: TopicName, group: string] | null => {
    const settings = config.stages[stage];
    switch (settings?.type) {
      case 'prompts':
        return settings.source.from === 'topic' ? ['incoming-prompts', 'prompts'] : null;
      case 'sampler':
        return ['prompts', 'samplers'];
      case 'reward':
        return scoring.some(({ name }) => name === stage)
          ? ['images', scoring.length > 1 ? `rewards-${stage}` : 'rewards']
          : null;
      case 'advantages':
        return ['trajectories', 'trainer'];
      case 'gateway':
        return ['prompts', 'gateways'];
      default:
        return null;
    }
  };
  return Object.keys(config.stages).flatMap((stage) => {
    const reading = readingOf(stage);
    return reading ? [{ stage, role: roleOf(config, stage), topic: reading[0], group: reading[1] }] : [];
  });
}
