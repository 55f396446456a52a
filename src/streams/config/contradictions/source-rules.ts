/** @file Whether the sources of prompts fit each other. */
import { doorTopic } from '../graph/stage-wires.js';
import { graphTopics } from '../graph/topology-graph.js';
import { mergedSources } from '../resolved/prompt-sources.js';
import { findStage } from '../resolved/stage-of.js';
import { type ConfigRule, contradiction } from './config-rule.js';

/** Below a priority that always has prompts, or waits for them, no source would ever have a turn. */
const everySourceHasTurns: ConfigRule = (config) => {
  const stage = findStage(config, 'prompts');
  const sources = mergedSources(config);
  const blocking = [...new Set(sources.map(({ priority }) => priority))].filter((priority) => {
    const peers = sources.filter((source) => source.priority === priority);
    const hasFile = peers.some(({ from }) => from === 'file');
    return hasFile || peers.every((source) => source.from === 'topic' && source.whenEmpty === 'wait');
  });
  const floor = Math.max(...blocking);
  return sources
    .filter(({ priority }) => priority < floor)
    .map(({ name, priority }) =>
      contradiction(['stages', stage?.name ?? '', 'source', 'sources', name, 'priority'], {
        expected: `a priority of at least ${floor}, that of sources which never pass their turn on`,
        got: String(priority),
        nextStep: 'Raise it: files always have prompts, and `whenEmpty: wait` waits for them.',
      }),
    );
};

/** What comes in at an endpoint must get to its source, and each topic has one source. */
const topicsLeadToSources: ConfigRule = (config) => {
  const stage = findStage(config, 'prompts');
  const sources = mergedSources(config);
  if (stage === undefined || sources.length === 0) return [];
  const path = ['stages', stage.name, 'source', 'sources'];
  const topics = graphTopics(config);
  const seen = new Map<string, string>();
  const faults = sources.flatMap((source) => {
    if (source.from === 'file') return [];
    const door = doorTopic(source.name);
    const topic = source.topic ?? door;
    const first = seen.get(topic);
    seen.set(topic, first ?? source.name);
    if (first !== undefined)
      return [
        contradiction([...path, source.name, 'topic'], {
          expected: 'a topic of its own',
          got: `"${topic}", which is that of the source "${first}"`,
          nextStep: 'Name another one, or remove one of the sources.',
        }),
      ];
    const isRead = topics.some(({ name, readers }) => name === door && readers.length > 0);
    if (isRead || source.http === undefined) return [];
    return [
      contradiction([...path, source.name, 'http'], {
        expected: `an operator stage that reads "${door}", which the endpoint writes`,
        got: 'none',
        nextStep: `Lead it from there to "${topic}", or remove the setting topic.`,
      }),
    ];
  });
  if (stage.reads?.['incoming-prompts'] === undefined) return faults;
  return [
    ...faults,
    contradiction(['stages', stage.name, 'reads', 'incoming-prompts'], {
      expected: 'no topic for all sources where several are merged',
      got: `"${stage.reads['incoming-prompts']}"`,
      nextStep: 'Set the topic of the source that is to read it.',
    }),
  ];
};

export const SOURCE_RULES: readonly ConfigRule[] = [everySourceHasTurns, topicsLeadToSources];
