import { TributaryError } from '../../../errors.js';
import type { TopicMessages } from '../../messages/messages.js';
import type { TopicCodec } from '../kafka/kafka-transport.js';
import type { RecordCodec } from './record.js';
import { WIRE_CODECS, type WireTopic } from './wire-codecs.js';

/**
 * Returns how all topics of a run are written. A dead letter is written as the message that it was, on the topic that its
 * header `origin` names.
 */
export function wireTopicCodec(records: RecordCodec): TopicCodec {
  return {
    write: (topic, message, headers) => {
      const written = wireTopic(topic === 'dead-letters' ? headers.origin : topic);
      return records.write(written, message as TopicMessages[WireTopic], headers);
    },
    read: async (topic, record) => records.read(wireTopic(topic), record),
    claim: (record) => records.claim(record),
  };
}

function wireTopic(topic: string | undefined): WireTopic {
  if (topic !== undefined && Object.hasOwn(WIRE_CODECS, topic)) return topic as WireTopic;
  throw new TributaryError(
    'TRIB_MESSAGE',
    `record: expected a message of ${Object.keys(WIRE_CODECS).join(', ')}, got one of ${JSON.stringify(topic ?? null)}. Name its topic in the header origin.`,
  );
}
