/** @file Which topics each stage is connected with, and as what. */
import { entryNamed } from '../../../catalog.js';
import type { TopicName } from '../../messages/topics.js';
import { STAGE_SPECS } from '../../stages/index.js';
import type { ResolvedConfig, StageConfig } from '../schema/topology-schema.js';
import type { Path } from '../source/fault.js';

/** A connection of a stage with a topic. */
export interface Wire {
  readonly topic: string;
  /** What travels: the kind of message of this topic of the catalog. Null: whatever the other side of the stage carries. */
  readonly port: TopicName | null;
  /** The setting that decides it, from the stage. */
  readonly path: Path;
}

export interface StageWires {
  readonly reads: readonly Wire[];
  readonly writes: readonly Wire[];
}

type Stages = ResolvedConfig['stages'];

/** Returns the topics of a stage. A port that its config does not name has the topic of that name. */
export function stageWires(stages: Stages, name: string): StageWires {
  const stage = stages[name];
  if (stage === undefined) return { reads: [], writes: [] };
  const gateway = gatewayOf(stages);
  const reads = wiresOf(stage, 'reads', (port) => readByDefault(stages, stage, port));
  const writes = wiresOf(stage, 'writes', (port) => defaultTopic(stages, name, port));
  switch (stage.type) {
    case 'combine':
      return {
        reads: [...reads.filter(({ port }) => port !== 'rewards'), ...partWires(stages, stage)],
        writes,
      };
    case 'prompts':
      return { reads: promptWires(stage, reads), writes };
    case 'operator':
      return { reads: [openWire(stage.reads, 'reads')], writes: [openWire(stage.writes, 'writes')] };
    case 'tap':
      return {
        reads: [openWire(stage.reads, 'reads')],
        writes:
          stage.to.type === 'topic' ? [{ topic: stage.to.topic, port: null, path: ['to', 'topic'] }] : [],
      };
    case 'sampler':
      return gateway ? { reads, writes } : { reads: withoutPeople(reads), writes: withoutPeople(writes) };
    case 'reward':
      return stage.from === 'topic' ? { reads: [], writes: withoutWork(writes) } : { reads, writes };
    default:
      return { reads, writes };
  }
}

/** Returns the topic of the rewards of a part of a combination: its own, or that of the stage of its name. */
export function partTopic(stages: Stages, name: string, topic: string | undefined): string {
  const stage = stages[name];
  const written = stage?.type === 'reward' ? stage.writes?.rewards : undefined;
  return topic ?? written ?? `rewards-${name}`;
}

/** A combination waits for the groups that the sampler is given, and that gets what a gateway leaves. */
function readByDefault(stages: Stages, { type }: StageConfig, port: TopicName): string {
  if (port !== 'prompts' || (type !== 'combine' && type !== 'sampler')) return port;
  const sampler = Object.values(stages).find((stage) => stage.type === 'sampler');
  const left = gatewayOf(stages) ? (gatewayOf(stages)?.writes?.prompts ?? LEFT_TO_SAMPLER) : port;
  return sampler?.reads?.prompts ?? left;
}

/** Tickets of groups that people have not drawn already. */
const LEFT_TO_SAMPLER = 'prompts-to-sample';

/** Topics of requests and what is drawn for them. */
const OF_PEOPLE: readonly (TopicName | null)[] = ['requests', 'drawn'];

function gatewayOf(stages: Stages): StageConfig<'gateway'> | undefined {
  return Object.values(stages).find((stage) => stage.type === 'gateway');
}

function withoutPeople(wires: readonly Wire[]): Wire[] {
  return wires.filter(({ port }) => !OF_PEOPLE.includes(port));
}

/** A gateway writes what the stages behind it read. */
function gatewayTopic(stages: Stages, name: string, port: TopicName): string {
  const types = Object.values(stages);
  if (port === 'prompts') return LEFT_TO_SAMPLER;
  if (port === 'incoming-prompts') {
    const prompts = types.find((stage) => stage.type === 'prompts');
    if (prompts?.source.from === 'merge') return doorTopic(name);
    return prompts?.reads?.[port] ?? port;
  }
  if (port !== 'rewards' && port !== 'trajectories') return port;
  return types.find((stage) => stage.type === 'advantages')?.reads?.[port] ?? port;
}

/** Rewards that are combined have a topic of their own. */
function defaultTopic(stages: Stages, name: string, port: TopicName): string {
  if (stages[name]?.type === 'gateway') return gatewayTopic(stages, name, port);
  const isPart =
    port === 'rewards' &&
    Object.values(stages).some((stage) => stage.type === 'combine' && Object.hasOwn(stage.parts, name));
  return isPart ? `rewards-${name}` : port;
}

function wiresOf(
  stage: StageConfig,
  side: 'reads' | 'writes',
  defaultOf: (port: TopicName) => string = (port) => port,
): Wire[] {
  const { [side]: named = {} } = stage as {
    readonly reads?: Readonly<Record<string, string | undefined>>;
    readonly writes?: Readonly<Record<string, string | undefined>>;
  };
  // The keys of the ports of a spec are names of topics.
  return (Object.keys(entryNamed(STAGE_SPECS, stage.type)[side]) as TopicName[]).map((port) => {
    const topic = named[port];
    return topic === undefined
      ? { port, topic: defaultOf(port), path: [] }
      : { port, topic, path: [side, port] };
  });
}

function partWires(stages: Stages, { parts }: StageConfig<'combine'>): Wire[] {
  return Object.entries(parts).map(([name, part]) => ({
    port: 'rewards',
    topic: partTopic(stages, name, part.topic),
    path: ['parts', name],
  }));
}

/** The topic that others write for a source of that name. */
export const doorTopic = (source: string): string => `incoming-prompts-${source}`;

function promptWires({ source }: StageConfig<'prompts'>, reads: readonly Wire[]): readonly Wire[] {
  if (source.from !== 'merge') return reads;
  const merged = Object.entries(source.sources).flatMap(([name, one]): Wire[] =>
    one.from === 'file'
      ? []
      : [{ port: INCOMING, topic: one.topic ?? doorTopic(name), path: ['source', 'sources', name] }],
  );
  return [...reads.filter(({ port }) => port !== INCOMING), ...merged];
}

const INCOMING = 'incoming-prompts';

const openWire = (topic: string, side: string): Wire => ({ topic, port: null, path: [side] });

/** Others write the rewards, and they alone. */
function withoutWork(writes: readonly Wire[]): Wire[] {
  return writes.filter(({ port }) => port === 'rewards');
}
