import { type StageWires, stageWires, type Wire } from '../config/graph/stage-wires.js';
import { outcomeTopic } from '../config/graph/topology-graph.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { TopicMessages } from '../messages/messages.js';
import type { TopicName } from '../messages/topics.js';
import type { Headers, Transport } from './contract/transport.js';

/**
 * Returns a transport as one stage sees it: under the names of its ports. A stage reads and writes the topics that its config
 * names for them, the groups that it loses go to where their rewards are waited for, and its dead letters say which topic they
 * are from. Any other name means that topic.
 */
export function stageTransport(
  transport: Transport<TopicMessages>,
  config: Pick<ResolvedConfig, 'stages'>,
  name: string,
): Transport<TopicMessages> {
  const wires = stageWires(config.stages, name);
  const read = topicsByPort(wires, 'reads');
  const written = new Map([['rewards', outcomeTopic(config)], ...topicsByPort(wires, 'writes')]);
  const isPlain = [...read, ...written].every(([port, topic]) => port === topic);
  if (isPlain) return transport;
  // A topic carries what its port says: lint has checked it.
  const readFrom = <Topic extends TopicName>(port: Topic) => (read.get(port) ?? port) as Topic;
  const writtenTo = <Topic extends TopicName>(port: Topic) => (written.get(port) ?? port) as Topic;
  const withOrigin = (headers: Headers | undefined): { readonly headers?: Headers } => {
    const origin = headers?.origin;
    return headers === undefined || origin === undefined
      ? { ...(headers && { headers }) }
      : { headers: { ...headers, origin: read.get(origin) ?? origin } };
  };
  return {
    publish: (port, envelope) =>
      transport.publish(writtenTo(port), { ...envelope, ...withOrigin(envelope.headers) }),
    subscribe: (subscription) =>
      transport.subscribe({ ...subscription, topic: readFrom(subscription.topic) }),
    // A stage reads back what it wrote.
    readBack: (port, take) => transport.readBack(writtenTo(port), take),
    latest: (port) => transport.latest(readFrom(port)),
    newest: (port) => transport.newest(readFrom(port)),
    readers: (port, consumerGroup) => transport.readers(readFrom(port), consumerGroup),
    unanswered: (port, consumerGroup) => transport.unanswered(readFrom(port), consumerGroup),
    close: () => transport.close(),
  };
}

/** The topic of each port; of several, as a combination has for its parts, none. */
function topicsByPort(wires: StageWires, side: keyof StageWires): Map<string, string> {
  const ofPort = (port: string | null) => wires[side].filter((wire: Wire) => wire.port === port);
  return new Map(
    wires[side].flatMap(({ port, topic }): [string, string][] =>
      port === null || ofPort(port).length > 1 ? [] : [[port, topic]],
    ),
  );
}
