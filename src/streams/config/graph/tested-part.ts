import type { ResolvedConfig } from '../schema/topology-schema.js';
import { lossTopics } from './loss-topics.js';
import { stageWires, type Wire } from './stage-wires.js';
import { isQueue, kindOfTopic } from './topology-graph.js';

type Staged = Pick<ResolvedConfig, 'stages'>;

/** Types of stages that need no network. */
export const TESTABLE = ['advantages', 'combine', 'operator', 'prompts', 'tap'] as const;

export const isTestable = (type: string): type is (typeof TESTABLE)[number] =>
  (TESTABLE as readonly string[]).includes(type);

export interface TestedPart {
  /** Queues that its stages read, and how far the run is. */
  readonly reads: readonly string[];
  /** Queues that its stages may write. */
  readonly writes: readonly string[];
}

/** Returns the topics of some stages of a config. Names of no stage are passed over. */
export function testedPart(config: Staged, names: readonly string[]): TestedPart {
  const kindOf = kindOfTopic(config);
  const readBy = (name: string): readonly Wire[] => {
    const stage = config.stages[name];
    // Prompts of a file alone: nothing comes in.
    const readsNothing = stage?.type === 'prompts' && stage.source.from === 'file';
    return readsNothing ? [] : stageWires(config.stages, name).reads;
  };
  const queues = (wires: readonly Wire[]) =>
    wires.map(({ topic }) => topic).filter((topic) => isQueue(kindOf(topic) ?? 'prompts'));
  const stages = names.filter((name) => config.stages[name] !== undefined);
  const losses = stages
    .filter((name) => config.stages[name]?.type === 'operator')
    .flatMap((name) => lossTopics(config, name));
  return {
    reads: [...new Set([...stages.flatMap((name) => queues(readBy(name))), 'progress'])],
    writes: [
      ...new Set([
        ...stages.flatMap((name) => queues(stageWires(config.stages, name).writes)),
        ...losses,
        'dead-letters',
      ]),
    ],
  };
}
