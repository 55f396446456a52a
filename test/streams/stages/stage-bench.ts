/** @file One topology stage on the in-process transport, with nothing around it. */

import { onTestFinished } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { topicDeclarations } from '../../../src/streams/config/topic-declarations.js';
import type { TopicMessages } from '../../../src/streams/messages.js';
import type { RunEvent } from '../../../src/streams/run-events.js';
import type { StageContext } from '../../../src/streams/stages/stage-context.js';
import { createInProcessTransport } from '../../../src/streams/transport/in-process.js';
import { SMALLEST } from '../config/valid-config.js';

export type QueueName =
  | 'prompts'
  | 'images'
  | 'trajectories'
  | 'rewards'
  | 'batches'
  | 'metrics'
  | 'dead-letters';

export interface StageBench {
  readonly context: StageContext;
  readonly events: RunEvent[];
  readonly stop: AbortController;
  /** Everything that is published on a topic, as it comes, acknowledged at once. */
  read<Topic extends QueueName>(topic: Topic): TopicMessages[Topic][];
}

/** A context over a transport that is closed with the test. */
export function stageBench(overrides: readonly string[] = [], firstTrainingStage = 0): StageBench {
  const { config, faults } = lintTopology(SMALLEST, 'smallest.yaml', { overrides });
  if (!config) throw new Error(faults.map(({ message }) => message).join('\n'));
  const transport = createInProcessTransport<TopicMessages>({
    topics: topicDeclarations(config),
    maxAttempts: config.transport.maxAttempts,
    deadLettersTopic: 'dead-letters',
  });
  onTestFinished(() => transport.close());
  const events: RunEvent[] = [];
  const stop = new AbortController();
  return {
    events,
    stop,
    context: {
      config,
      transport,
      firstTrainingStage,
      say: (event) => events.push(event),
      stopping: stop.signal,
      cancelling: new AbortController().signal,
      learningRateScale: () => 1,
    },
    read(topic) {
      const found: TopicMessages[typeof topic][] = [];
      const subscription = transport
        .subscribe({ topic, consumerGroup: 'bench', maxInFlight: 1000 })
        .subscribe((delivery) => {
          found.push(delivery.message);
          delivery.ack();
        });
      onTestFinished(() => subscription.unsubscribe());
      return found;
    },
  };
}
