/** @file Where the rewards of a config come from: one stage, or several that are combined. */
import { LARGEST_MAGNITUDE } from '../../../operators/records/reward-fault.js';
import { partTopic, stageWires } from '../graph/stage-wires.js';
import { graphTopics, outcomeTopic } from '../graph/topology-graph.js';
import type { ResolvedConfig, StageConfig } from '../schema/topology-schema.js';
import { findStage, stageOf } from './stage-of.js';

type Staged = Pick<ResolvedConfig, 'stages'>;

/** The settings of a reward stage that scores pictures itself. */
export type ScoringSettings = Exclude<StageConfig<'reward'>, { readonly from: 'topic' }>;

/** A reward stage that scores pictures itself; the others name rewards that somebody else writes. */
export type ScoringStage = ScoringSettings & { readonly name: string };

/** The settings of a reward that is measured and never trained on. */
export type GoldSettings = ResolvedConfig['evaluation']['gold'][string];

/** What scores pictures: a stage, or a reward that evaluations alone ask for. */
export type NamedScorer = (ScoringSettings | GoldSettings) & { readonly name: string };

/** The reward stages that score pictures, in the order of the config. */
export function scoringStages({ stages }: Staged): ScoringStage[] {
  return Object.entries(stages).flatMap(([name, stage]) =>
    stage.type === 'reward' && stage.from !== 'topic' ? [{ ...stage, name }] : [],
  );
}

/** A part of a combination. */
export interface RewardPartSource {
  readonly name: string;
  readonly topic: string;
  /** The scoring stage behind it; null where others write it. */
  readonly stage: string | null;
}

/** Returns the parts of the combination in their order; none where one stage alone gives rewards. */
export function rewardParts(config: Staged): RewardPartSource[] {
  const combine = findStage(config, 'combine');
  if (combine === undefined) return [];
  return Object.entries(combine.parts).map(([name, part]) => {
    const topic = partTopic(config.stages, name, part.topic);
    return { name, topic, stage: scorerOf(config, topic) };
  });
}

/** The scoring stage whose rewards arrive on a topic, through whatever operators lie between. */
function scorerOf(config: Staged, topic: string, passed: readonly string[] = []): string | null {
  const writers = graphTopics(config).find(({ name }) => name === topic)?.writers ?? [];
  for (const writer of writers) {
    if (scoringStages(config).some(({ name }) => name === writer)) return writer;
    if (config.stages[writer]?.type !== 'operator' || passed.includes(writer)) continue;
    for (const { topic: above } of stageWires(config.stages, writer).reads) {
      const found = scorerOf(config, above, [...passed, writer]);
      if (found !== null) return found;
    }
  }
  return null;
}

/** The scoring stages that rewards to train on come from: all parts of the combination, or the one stage. */
export function trainedStages(config: Staged): ScoringStage[] {
  const parts = rewardParts(config);
  const names = parts.length > 0 ? parts.map(({ stage }) => stage) : [scorerOf(config, outcomeTopic(config))];
  return scoringStages(config).filter(({ name }) => names.includes(name));
}

/** Largest magnitude of a reward that is trained on. The parts of a combination have bounds of their own. */
export function rewardBound(config: ResolvedConfig): number {
  return findStage(config, 'combine') ? LARGEST_MAGNITUDE : stageOf(config, 'reward').maxMagnitude;
}
