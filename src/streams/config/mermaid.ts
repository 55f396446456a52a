import { TOPICS, type TopicName } from '../messages/topics.js';
import { outsideWriters } from './outside-writers.js';
import type { ResolvedConfig } from './schema/topology-schema.js';
import { topologyPorts } from './topology-ports.js';

/**
 * Draws a topology as a Mermaid flowchart, from the ports of its stages: one edge a writer and reader of a topic,
 * dotted where the topic is a broadcast. Topics that no stage reads end in the run directory; what comes from outside, such
 * as prompts of others and the commands of operators, has boxes of its own.
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
