/** @file One stage on the in-process transport, with nothing around it. */

import { onTestFinished } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { progressAt } from '../../../src/streams/config/resolved/progress-at.js';
import { createRunControl } from '../../../src/streams/control/run-control.js';
import { UNCONTROLLED } from '../../../src/streams/messages/control-state.js';
import { RUN_KEY, type TopicMessages } from '../../../src/streams/messages/messages.js';
import type { RunEvent } from '../../../src/streams/messages/run-events.js';
import type { StageContext } from '../../../src/streams/stages/shared/stage-context.js';
import type { Delivery, Headers } from '../../../src/streams/transport/contract/transport.js';
import { createInProcessTransport } from '../../../src/streams/transport/in-process/in-process.js';
import { topicDeclarations } from '../../../src/streams/transport/open-transport.js';
import { SMALLEST } from '../config/valid-config.js';

export type QueueName =
  | 'incoming-prompts'
  | 'prompts'
  | 'images'
  | 'trajectories'
  | 'rewards'
  | 'requests'
  | 'drawn'
  | 'feedback'
  | 'deletions'
  | 'people'
  | 'batches'
  | 'metrics'
  | 'dead-letters';

export interface StageBench {
  readonly context: StageContext;
  readonly events: RunEvent[];
  readonly stop: AbortController;
  /** Everything that is published on a topic, as it comes, acknowledged at once. */
  read<Topic extends QueueName>(topic: Topic): TopicMessages[Topic][];
  /** The headers of the same. */
  readHeaders(topic: QueueName): Headers[];
}

/** A context over a transport that is closed with the test. */
export function stageBench(overrides: readonly string[] = [], firstRound = 0): StageBench {
  const { config, faults } = lintTopology(SMALLEST, 'smallest.yaml', { overrides });
  if (!config) throw new Error(faults.map(({ message }) => message).join('\n'));
  const transport = createInProcessTransport<TopicMessages>({
    topics: topicDeclarations(config),
    maxAttempts: config.transport.maxAttempts,
    deadLettersTopic: 'dead-letters',
  });
  onTestFinished(() => transport.close());
  void transport.publish('progress', { key: RUN_KEY, message: progressAt(config, firstRound) });
  const events: RunEvent[] = [];
  const stop = new AbortController();
  const read = <Found>(topic: QueueName, take: (delivery: Delivery<unknown>) => Found): Found[] => {
    const found: Found[] = [];
    const consumerGroup = `bench-${take.name}`;
    const subscription = transport
      .subscribe({ topic, consumerGroup, maxInFlight: 1000 })
      .subscribe((delivery) => {
        found.push(take(delivery));
        delivery.ack();
      });
    onTestFinished(() => subscription.unsubscribe());
    return found;
  };
  const messageOf = ({ message }: Delivery<unknown>) => message;
  const headersOf = ({ headers }: Delivery<unknown>) => headers;
  return {
    events,
    stop,
    context: {
      config,
      transport,
      control: createRunControl(transport, UNCONTROLLED),
      firstRound,
      say: (event) => events.push(event),
      stopping: stop.signal,
      canceling: new AbortController().signal,
      learningRateScale: () => 1,
    },
    // What was published under a topic is what comes out of it.
    read: <Topic extends QueueName>(topic: Topic) => read(topic, messageOf) as TopicMessages[Topic][],
    readHeaders: (topic) => read(topic, headersOf),
  };
}
