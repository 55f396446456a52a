import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { TOPIC_NAMES, TOPICS, type TopicName } from '../messages/topics.js';
import type { TopicDeclaration } from './contract/transport.js';

/** Returns the topics of every topology as a transport declares them, queues with the capacity of the config. */
export function topicDeclarations({
  transport,
}: {
  readonly transport: Pick<ResolvedConfig['transport'], 'capacity'>;
}): (TopicDeclaration & { readonly name: TopicName })[] {
  return TOPIC_NAMES.map((name) =>
    TOPICS[name].kind === 'queue'
      ? { name, kind: 'queue', capacity: transport.capacity }
      : { name, kind: 'broadcast' },
  );
}
