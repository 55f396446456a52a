import { TOPICS, type TopicName } from '../messages/topics.js';
import { stageOf } from './resolved/stage-of.js';
import type { ResolvedConfig } from './schema/topology-schema.js';
import { topologyPorts } from './topology-ports.js';

/**
 * Draws a topology as a Mermaid flowchart, from the ports of its stages: one edge for each writer and reader of a topic,
 * dotted where the topic is a broadcast. Topics that no stage reads end in the run directory. What comes from outside,
 * such as prompts and the commands of operators, has its own boxes.
 */
export function topologyToMermaid(config: ResolvedConfig): string {
  // Hyphens in an identifier could be read as an edge; names hold no underscore, so none can clash.
  const idOf = (stage: string) => `stage_${stage.replaceAll('-', '_')}`;
  const nodes = Object.entries(config.stages).map(
    ([name, { type }]) => `  ${idOf(name)}["${name}<br/><i>${type}</i>"]`,
  );
  const outside = outsideWriters(config);
  const outsideNodes = outside.map(({ id, label }) => `  ${id}(["${label}"])`);
  const startsOf = (topic: TopicName, writers: readonly string[]) => [
    ...writers.map(idOf),
    ...outside.filter((writer) => writer.topic === topic).map(({ id }) => id),
  ];
  const edges = topologyPorts(config).flatMap(({ topic, writers, readers }) => {
    const ends = readers.length > 0 ? readers.map(idOf) : ['run'];
    const [line, head] = TOPICS[topic].kind === 'broadcast' ? ['-.', '.->'] : ['--', '-->'];
    const label = `"${config.topics[topic]}"`;
    return startsOf(topic, writers).flatMap((start) =>
      ends.map((end) => `  ${start} ${line} ${label} ${head} ${end}`),
    );
  });
  const run = `  run[("runs/${config.name}")]`;
  return `${['flowchart LR', ...nodes, run, ...outsideNodes, ...edges].join('\n')}\n`;
}

/** A writer of a topic that is no stage of the run. */
interface OutsideWriter {
  /** Letters alone. */
  readonly id: string;
  /** For people. */
  readonly label: string;
  readonly topic: TopicName;
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
  if (isShared) writers.push({ id: 'operators', label: 'tributary control', topic: 'control' });
  return writers;
}
