import { TOPICS, type TopicName } from '../messages/topics.js';
import { doorTopic } from './graph/stage-wires.js';
import { graphTopics, isQueue, topicOf } from './graph/topology-graph.js';
import { mergedSources } from './resolved/prompt-sources.js';
import { stageOf } from './resolved/stage-of.js';
import type { ResolvedConfig } from './schema/topology-schema.js';

/**
 * Draws a topology as a Mermaid flowchart, from the ports of its stages: one edge for each writer and reader of a topic,
 * dotted where the topic is a broadcast. Topics that no stage reads end in the run directory, and those of a tap outside. What
 * comes from outside, such as prompts, rewards and the commands of operators, has its own boxes.
 */
export function topologyToMermaid(config: ResolvedConfig): string {
  // Hyphens in an identifier could be read as an edge; names hold no underscore, so none can clash.
  const idOf = (stage: string) => `stage_${stage.replaceAll('-', '_')}`;
  const stages = Object.entries(config.stages);
  const nodes = stages
    .filter(([, stage]) => !isOutside(stage))
    .map(([name, { type }]) => `  ${idOf(name)}["${name}<br/><i>${type}</i>"]`);
  const outside = outsideWriters(config);
  const outsideNodes = outside.map(({ id, label }) => `  ${id}(["${label}"])`);
  const startsOf = (topic: string, writers: readonly string[]) => [
    ...writers.filter((writer) => !isOutside(config.stages[writer])).map(idOf),
    ...outside.filter((writer) => writer.topic === topic).map(({ id }) => id),
  ];
  const edges = graphTopics(config).flatMap(({ name, kind, writers, readers }) => {
    const isCopy = writers.some((writer) => config.stages[writer]?.type === 'tap');
    const ends = readers.length > 0 ? readers.map(idOf) : [isCopy ? OUTSIDE : 'run'];
    const [line, head] = kind !== null && !isQueue(kind) ? ['-.', '.->'] : ['--', '-->'];
    const label = `"${clusterName(config, name)}"`;
    return startsOf(name, writers).flatMap((start) =>
      ends.map((end) => `  ${start} ${line} ${label} ${head} ${end}`),
    );
  });
  const copies = stages.flatMap(([name, stage]) =>
    stage.type !== 'tap' || stage.to.type === 'topic'
      ? []
      : [`  ${idOf(name)} -- "${stage.to.type === 'file' ? 'file' : 'POST'}" --> ${OUTSIDE}`],
  );
  const run = `  run[("runs/${config.name}")]`;
  const away = [...edges, ...copies].some((edge) => edge.endsWith(` ${OUTSIDE}`))
    ? [`  ${OUTSIDE}(["outside"])`]
    : [];
  return `${['flowchart LR', ...nodes, run, ...away, ...outsideNodes, ...edges, ...copies].join('\n')}\n`;
}

const OUTSIDE = 'outside';

/** Whether others do the work of a stage. */
function isOutside(stage: ResolvedConfig['stages'][string] | undefined): boolean {
  return stage?.type === 'reward' && stage.from === 'topic';
}

const clusterName = ({ topics }: ResolvedConfig, topic: string): string =>
  Object.hasOwn(TOPICS, topic) ? topics[topic as TopicName] : topic;

/** A writer of a topic that is no stage of the run. */
interface OutsideWriter {
  /** Letters and underscores alone. */
  readonly id: string;
  /** For people. */
  readonly label: string;
  readonly topic: string;
}

/** Returns who may write topics from outside. Without a Kafka cluster only an endpoint lets anyone in. */
function outsideWriters(config: ResolvedConfig): OutsideWriter[] {
  const { source } = stageOf(config, 'prompts');
  const isShared = config.transport.kind === 'kafka';
  const writers: OutsideWriter[] = [];
  if (source.from === 'topic' && source.http)
    writers.push({ id: 'endpoint', label: 'POST /prompts', topic: 'incoming-prompts' });
  if (source.from === 'topic' && isShared)
    writers.push({ id: 'traffic', label: 'your own traffic', topic: 'incoming-prompts' });
  for (const one of mergedSources(config)) {
    if (one.from === 'file') continue;
    const id = one.name.replaceAll('-', '_');
    const topic = doorTopic(one.name);
    if (one.http) writers.push({ id: `endpoint_${id}`, label: 'POST /prompts', topic });
    if (isShared) writers.push({ id: `traffic_${id}`, label: 'your own traffic', topic });
  }
  if (isShared) writers.push({ id: 'operators', label: 'tributary control', topic: 'control' });
  for (const [name, stage] of Object.entries(config.stages)) {
    if (!isOutside(stage)) continue;
    const topic = topicOf(config, name, 'writes', 'rewards');
    writers.push({ id: `outside_${name.replaceAll('-', '_')}`, label: name, topic });
  }
  return writers;
}
