/** @file The stages of a config as a graph: its topics, what each carries, who writes and who reads it. */
import { catalogTopic, TOPIC_NAMES, TOPICS, type TopicName } from '../../messages/topics.js';
import { ROLE_OF_TYPE, type StageType, TRAINER_ROLE } from '../../stages/index.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';
import { type StageWires, stageWires, type Wire } from './stage-wires.js';

type Staged = Pick<ResolvedConfig, 'stages'>;

/** Who writes and who reads one topic, by stage name, in the order of the config. */
export interface GraphTopic {
  readonly name: string;
  /** The topic of the catalog whose kind of message it carries; null where no stage says. */
  readonly kind: TopicName | null;
  readonly writers: readonly string[];
  readonly readers: readonly string[];
}

/** A stage with its topics. */
export interface GraphStage extends StageWires {
  readonly name: string;
}

/** Every stage with its topics, in the order of the config. */
export function graphStages({ stages }: Staged): GraphStage[] {
  return Object.keys(stages).map((name) => ({ name, ...stageWires(stages, name) }));
}

/** Every topic: those of the catalog, then those that stages name, in the order of the config. */
export function graphTopics(config: Staged): GraphTopic[] {
  const stages = graphStages(config);
  const named = stages.flatMap(({ reads, writes }) => [...reads, ...writes].map(({ topic }) => topic));
  const kinds = topicKinds(stages);
  const endsAt = (side: 'reads' | 'writes', topic: string) =>
    stages.filter((stage) => stage[side].some((wire) => wire.topic === topic)).map(({ name }) => name);
  return [...new Set([...TOPIC_NAMES, ...named])].map((name) => ({
    name,
    kind: kinds.get(name) ?? null,
    writers: endsAt('writes', name),
    readers: endsAt('reads', name),
  }));
}

/** What each topic carries. A stage without a kind of its own carries on what it is given. */
function topicKinds(stages: readonly GraphStage[]): Map<string, TopicName> {
  const kinds = new Map<string, TopicName>(TOPIC_NAMES.map((topic) => [topic, topic]));
  const learn = ({ topic, port }: Wire): void => {
    if (port !== null && !kinds.has(topic)) kinds.set(topic, port);
  };
  for (const { reads, writes } of stages) [...reads, ...writes].forEach(learn);
  // A chain is as long as there are stages, at most.
  for (const _ of stages) {
    for (const { reads, writes } of stages) {
      const open = [...reads, ...writes].filter(({ port }) => port === null);
      const kind = open.map(({ topic }) => kinds.get(topic)).find((known) => known !== undefined);
      if (kind !== undefined) for (const { topic } of open) if (!kinds.has(topic)) kinds.set(topic, kind);
    }
  }
  return kinds;
}

/** Returns the topics that no catalog has, with the one of the catalog that each is like. */
export function ownTopics(config: Staged): ReadonlyMap<string, TopicName> {
  const own = graphTopics(config).slice(TOPIC_NAMES.length);
  return new Map(own.flatMap(({ name, kind }) => (kind === null ? [] : [[name, kind] as const])));
}

/** Returns what tells which topic of the catalog a topic of this config is like. */
export function kindOfTopic(config: Staged): (topic: string) => TopicName | undefined {
  const own = ownTopics(config);
  return (topic) => own.get(topic) ?? catalogTopic(topic);
}

/** Returns the topic that is meant by a port of a stage. */
export function topicOf(config: Staged, stage: string, side: 'reads' | 'writes', port: TopicName): string {
  const wires = stageWires(config.stages, stage);
  return wires[side].find((wire) => wire.port === port)?.topic ?? port;
}

/** Returns the topic on which the advantages stage waits for the rewards of a group, or for its loss. */
export function outcomeTopic(config: Staged): string {
  const advantages = Object.keys(config.stages).find((name) => config.stages[name]?.type === 'advantages');
  return advantages === undefined ? 'rewards' : topicOf(config, advantages, 'reads', 'rewards');
}

/** Returns the role of a stage: that of its config, of its type, or of the stage that reads what it writes. */
export function roleOf(config: Staged, name: string, passed: readonly string[] = []): string {
  const stage = config.stages[name];
  const named = stage && 'role' in stage ? stage.role : undefined;
  const role = named ?? (stage && ROLE_OF_TYPE[stage.type]);
  if (role !== undefined) return role;
  const { reads, writes } = stageWires(config.stages, name);
  const topics = graphTopics(config);
  // What a stage only watches is read by others.
  const watched = stage?.type === 'tap' ? reads : writes;
  const reader = watched
    .flatMap(({ topic }) => topics.find((one) => one.name === topic)?.readers ?? [])
    .find((other) => other !== name && !passed.includes(other));
  return reader === undefined ? TRAINER_ROLE : roleOf(config, reader, [...passed, name]);
}

/** The roles of a config, in the order of its stages, the trainer's last. */
export function rolesOf(config: Staged): string[] {
  const roles = Object.keys(config.stages).map((name) => roleOf(config, name));
  return [...new Set([...roles.filter((role) => role !== TRAINER_ROLE), TRAINER_ROLE])];
}

/** Whether a process with some roles runs a stage of a type. */
export function hasStage(config: Staged, roles: readonly string[], type: StageType): boolean {
  const names = Object.keys(config.stages).filter((name) => config.stages[name]?.type === type);
  return names.some((name) => roles.includes(roleOf(config, name)));
}

/** Whether a topic of this kind shares work among its readers; the others are broadcasts. */
export const isQueue = (kind: TopicName): boolean => TOPICS[kind].kind === 'queue';
