import { entryNamed } from '../../catalog.js';
import { TOPIC_NAMES, TOPICS, type TopicName, type TopicSpec } from '../messages/topics.js';
import { STAGE_SPECS } from '../stages/index.js';
import type { Contradiction } from './contradictions/config-rule.js';
import type { ResolvedConfig } from './schema/topology-schema.js';

/** Who writes and who reads one topic, by stage name, in the order of the config. */
interface TopicPorts {
  readonly topic: TopicName;
  readonly writers: readonly string[];
  readonly readers: readonly string[];
}

/** The ports of all topics, in the order of the catalog. */
export function topologyPorts({ stages }: Pick<ResolvedConfig, 'stages'>): TopicPorts[] {
  const withPort = (side: 'reads' | 'writes', topic: TopicName) =>
    Object.entries(stages)
      .filter(([, { type }]) => Object.hasOwn(entryNamed(STAGE_SPECS, type)[side], topic))
      .map(([name]) => name);
  return TOPIC_NAMES.map((topic) => ({
    topic,
    writers: withPort('writes', topic),
    readers: withPort('reads', topic),
  }));
}

/** Returns a fault for each topic without a writer, without a reader it needs, or with the name of another. */
export function findPortFaults(config: ResolvedConfig): Contradiction[] {
  const faults: Contradiction[] = [];
  const kind = 'port';
  for (const { topic, writers, readers } of topologyPorts(config)) {
    const [writer, reader] = [writers[0], readers[0]];
    const { isFedFromOutside = false }: TopicSpec = TOPICS[topic];
    if (reader !== undefined && writer === undefined && !isFedFromOutside) {
      faults.push({
        kind,
        path: ['stages', reader],
        expected: `its topic "${topic}" (${TOPICS[topic].message}) to be written by a stage`,
        got: 'no writer',
        nextStep: `Add a stage of type ${typesWithPort('writes', topic)}.`,
        involves: [],
      });
    }
    if (writer !== undefined && reader === undefined && TOPICS[topic].needsReader) {
      faults.push({
        kind,
        path: ['stages', writer],
        expected: `its topic "${topic}" (${TOPICS[topic].message}) to be read by a stage`,
        got: 'no reader',
        nextStep: `Add a stage of type ${typesWithPort('reads', topic)}.`,
        involves: [],
      });
    }
  }
  const owners = new Map<string, TopicName>();
  for (const topic of TOPIC_NAMES) {
    const name = config.topics[topic];
    const owner = owners.get(name);
    if (owner === undefined) owners.set(name, topic);
    else {
      faults.push({
        kind,
        path: ['topics', topic],
        expected: `a name of its own for its ${TOPICS[topic].message} messages`,
        got: `"${name}", which carries the ${TOPICS[owner].message} messages of "${owner}"`,
        nextStep: 'Choose another name.',
        involves: [
          ['topics', topic],
          ['topics', owner],
        ],
      });
    }
  }
  return faults;
}

function typesWithPort(side: 'reads' | 'writes', topic: TopicName): string {
  return STAGE_SPECS.filter((spec) => Object.hasOwn(spec[side], topic))
    .map(({ name }) => name)
    .join(' or ');
}
