import { TOPICS } from './topics.js';
import { topologyPorts } from './topology-ports.js';
import type { ResolvedConfig } from './topology-schema.js';

/**
 * Draws a topology as a Mermaid flowchart, from the ports of its stages: one edge a writer and reader of a topic,
 * dotted where the topic is a broadcast. Topics that no stage reads end in the run directory.
 */
export function topologyToMermaid(config: ResolvedConfig): string {
  // Hyphens in an identifier could be read as an edge; names hold no underscore, so none can clash.
  const idOf = (stage: string) => `stage_${stage.replaceAll('-', '_')}`;
  const nodes = Object.entries(config.stages).map(
    ([name, { type }]) => `  ${idOf(name)}["${name}<br/><i>${type}</i>"]`,
  );
  const edges = topologyPorts(config).flatMap(({ topic, writers, readers }) => {
    const ends = readers.length > 0 ? readers.map(idOf) : ['run'];
    const [line, head] = TOPICS[topic].kind === 'broadcast' ? ['-.', '.->'] : ['--', '-->'];
    const label = `"${config.topics[topic]}"`;
    return writers.flatMap((writer) =>
      ends.map((end) => `  ${idOf(writer)} ${line} ${label} ${head} ${end}`),
    );
  });
  return `${['flowchart LR', ...nodes, `  run[("runs/${config.name}")]`, ...edges].join('\n')}\n`;
}
