import type { TopicOf, Transport } from './contract/transport.js';

/** Returns one transport of two: `local` carries the topics that are named, `shared` all others. Closing it closes both. */
export function joinTransports<Messages extends object>(
  shared: Transport<Messages>,
  local: Transport<Messages>,
  localTopics: readonly string[],
): Transport<Messages> {
  const carrierOf = (topic: TopicOf<Messages>) => (localTopics.includes(topic) ? local : shared);
  return {
    publish: (topic, envelope) => carrierOf(topic).publish(topic, envelope),
    subscribe: (subscription) => carrierOf(subscription.topic).subscribe(subscription),
    readBack: (topic, take) => carrierOf(topic).readBack(topic, take),
    latest: (topic) => carrierOf(topic).latest(topic),
    newest: (topic) => carrierOf(topic).newest(topic),
    close: async () => {
      await local.close();
      await shared.close();
    },
  };
}
