/** @file What is wrong with the graph of a config: ports that do not fit, topics without an end, rings. */
import { entryNamed } from '../../../catalog.js';
import { TOPICS, type TopicName, type TopicSpec } from '../../messages/topics.js';
import { STAGE_SPECS, type StageType } from '../../stages/index.js';
import { type GraphTopic, graphStages, graphTopics, isQueue } from '../graph/topology-graph.js';
import { promptDoors } from '../resolved/prompt-sources.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';
import { type Contradiction, contradiction } from './config-rule.js';
import { ringFaults } from './ring-faults.js';

type Said = Parameters<typeof contradiction>[1];

/** Returns every fault of the graph of a config. */
export function findGraphFaults(config: ResolvedConfig): Contradiction[] {
  const topics = graphTopics(config);
  return [
    ...topics.flatMap((topic) => endFaults(config, topic)),
    ...broadcastFaults(config, topics),
    ...topics.flatMap((topic) => rewardFaults(config, topic)),
    ...kindFaults(config, topics),
    ...ringFaults(config),
    ...nameFaults(config),
  ];
}

/** A topic without a writer, or without a reader that it needs. */
function endFaults(config: ResolvedConfig, { name, kind, writers, readers }: GraphTopic): Contradiction[] {
  const { stages } = config;
  const spec: TopicSpec | null = kind && TOPICS[kind];
  const isCataloged = name === kind;
  const carried = `"${name}"${kind ? ` (${TOPICS[kind].message})` : ''}`;
  const isFed = (isCataloged && spec?.isFedFromOutside === true) || promptDoors(config).includes(name);
  const taps = readers.filter((reader) => stages[reader]?.type === 'tap');
  const [reader] = readers;
  const [writer] = writers;
  if (reader !== undefined && writer === undefined && !isFed) {
    const part = partOf(config, reader, name);
    return [
      part
        ? portFault(part, {
            expected: `a stage that writes its topic ${carried}`,
            got: 'no writer',
            nextStep: `Add a stage of type reward under the name of the part, \`from: topic\` where others write it; or remove the part.`,
          })
        : portFault(['stages', reader], {
            expected: `its topic ${carried} to be written by a stage`,
            got: 'no writer',
            nextStep: isCataloged
              ? `Add a stage of type ${typesWithPort('writes', name)}.`
              : 'Name it in `writes` of the stage that is to write it.',
          }),
    ];
  }
  const isTapped = stages[writer ?? '']?.type === 'tap';
  const needsReader = isCataloged ? spec?.needsReader === true : !isTapped;
  if (writer === undefined || readers.length > taps.length || !needsReader) return [];
  return [
    portFault(['stages', writer], {
      expected: `its topic ${carried} to be read by a stage`,
      got: taps.length > 0 ? `a tap alone, "${taps.join('", "')}"` : 'no reader',
      nextStep: isCataloged
        ? `Add a stage of type ${typesWithPort('reads', name)}.`
        : 'Name it in `reads` of the stage that is to read it.',
    }),
  ];
}

/** Types that write beside others: what they pass on, or of groups that no other stage rewards. */
const BESIDE_OTHERS: readonly (StageType | undefined)[] = ['operator', 'gateway'];

const typedWriters = ({ stages }: ResolvedConfig, { writers }: GraphTopic): readonly string[] =>
  writers.filter((writer) => !BESIDE_OTHERS.includes(stages[writer]?.type));

/** More than one writer of a broadcast: one fault for each, however many broadcasts it has in common with the first. */
function broadcastFaults(config: ResolvedConfig, topics: readonly GraphTopic[]): Contradiction[] {
  const shared = new Map<string, { readonly first: string; readonly names: string[] }>();
  for (const topic of topics) {
    if (topic.kind === null || isQueue(topic.kind)) continue;
    const [first = '', ...others] = typedWriters(config, topic);
    for (const writer of others) {
      const fault = shared.get(writer) ?? { first, names: [] };
      shared.set(writer, { ...fault, names: [...fault.names, `"${topic.name}"`] });
    }
  }
  return Array.from(shared, ([writer, { first, names }]) =>
    portFault(['stages', writer], {
      expected: `one writer of the broadcast${names.length > 1 ? 's' : ''} ${names.join(' and ')}`,
      got: `a second beside "${first}"`,
      nextStep: 'Remove one of them.',
    }),
  );
}

/** Two writers of the rewards of one group. */
function rewardFaults(config: ResolvedConfig, topic: GraphTopic): Contradiction[] {
  const [first, second] = typedWriters(config, topic);
  if (topic.kind !== 'rewards' || first === undefined || second === undefined) return [];
  return [
    portFault(['stages', second], {
      expected: `one reward for each group on the topic "${topic.name}"`,
      got: `a second beside that of "${first}"`,
      nextStep: 'Add a stage of type combine with both as its parts.',
    }),
  ];
}

/** A topic that stages use for different messages, or that no operator or tap may touch. */
function kindFaults(config: ResolvedConfig, topics: readonly GraphTopic[]): Contradiction[] {
  return graphStages(config).flatMap(({ name: stage, reads, writes }) =>
    [...reads, ...writes].flatMap(({ topic, port, path }) => {
      const kind = topics.find(({ name }) => name === topic)?.kind ?? null;
      const place = ['stages', stage, ...path];
      if (port === null)
        return kind === null || path[0] !== 'reads' ? [] : openPortFaults(config, stage, kind, topic);
      if (kind === null || TOPICS[kind].message === TOPICS[port].message) return [];
      return [
        portFault(place, {
          expected: `a topic of ${TOPICS[port].message} messages`,
          got: `"${topic}", which carries ${TOPICS[kind].message} messages`,
          nextStep: 'Name another topic.',
        }),
      ];
    }),
  );
}

/** Queues whose messages belong to a group or to no round: a round could not close without the others. */
const OPERABLE: readonly TopicName[] = ['incoming-prompts', 'prompts', 'images', 'trajectories', 'rewards'];

function openPortFaults(
  config: ResolvedConfig,
  stage: string,
  kind: TopicName,
  topic: string,
): Contradiction[] {
  const isOperator = config.stages[stage]?.type === 'operator';
  const isFine = isOperator ? OPERABLE.includes(kind) : isQueue(kind) && kind !== 'batches';
  const wires = graphStages(config).find(({ name }) => name === stage);
  const carriesOther = [...(wires?.writes ?? [])].some((wire) => {
    const other = graphTopics(config).find(({ name }) => name === wire.topic)?.kind;
    return wire.port === null && wire.topic !== topic && other !== undefined && other !== kind;
  });
  const path = ['stages', stage, 'reads'];
  if (!isFine)
    return [
      portFault(path, {
        expected: `a topic of ${OPERABLE.map((one) => TOPICS[one].message).join(', ')} messages`,
        got: `"${topic}", which carries ${TOPICS[kind].message} messages`,
        nextStep: 'Name another topic.',
      }),
    ];
  if (!carriesOther || !wires?.reads.some((wire) => wire.topic === topic)) return [];
  return [
    portFault(path, {
      expected: 'two topics of one kind of message',
      got: `"${topic}", which carries ${TOPICS[kind].message} messages, and another`,
      nextStep: 'Name topics of one kind in `reads` and `writes`.',
    }),
  ];
}

/** One name in the cluster for two topics. */
function nameFaults(config: ResolvedConfig): Contradiction[] {
  const owners = new Map<string, string>();
  const clusterName = (topic: string) =>
    Object.hasOwn(config.topics, topic) ? config.topics[topic as TopicName] : topic;
  return graphTopics(config).flatMap(({ name: topic, kind }) => {
    const name = clusterName(topic);
    const owner = owners.get(name);
    if (owner === undefined) {
      owners.set(name, topic);
      return [];
    }
    const said = (port: string) => TOPICS[port as TopicName]?.message ?? 'own';
    return [
      {
        ...portFault(['topics', topic], {
          expected: `a name of its own for its ${said(kind ?? topic)} messages`,
          got: `"${name}", which carries the ${said(owner)} messages of "${owner}"`,
          nextStep: 'Choose another name.',
        }),
        involves: [
          ['topics', topic],
          ['topics', owner],
        ],
      },
    ];
  });
}

/** The setting of the part of a combination that reads a topic. */
function partOf({ stages }: ResolvedConfig, reader: string, topic: string): Contradiction['path'] | null {
  const wire = graphStages({ stages })
    .find(({ name }) => name === reader)
    ?.reads.find((one) => one.topic === topic && one.path[0] === 'parts');
  return wire ? ['stages', reader, ...wire.path] : null;
}

function portFault(path: Contradiction['path'], said: Said): Contradiction {
  return { ...contradiction(path, said), kind: 'port', involves: [] };
}

/** Types that have a port in their catalog entry; a combination only passes rewards on, and a gateway only adds to others. */
function typesWithPort(side: 'reads' | 'writes', topic: string): string {
  const types = STAGE_SPECS.filter(
    (spec) => spec.name !== 'combine' && Object.hasOwn(entryNamed(STAGE_SPECS, spec.name)[side], topic),
  ).map(({ name }) => name);
  const others = types.filter((name) => name !== 'gateway');
  return (others.length > 0 ? others : types).join(' or ');
}
