import type { Observable } from 'rxjs';
import { filter, ignoreElements, map, merge, Observable as Stream, tap } from 'rxjs';
import type { ResolvedConfig } from '../config/topology-schema.js';
import type { Progress, TopicMessages } from '../messages.js';
import type { RunEvent } from '../run-events.js';
import type { Delivery, Transport } from '../transport/transport.js';

/** What every topology stage is given. */
export interface StageContext {
  readonly config: ResolvedConfig;
  readonly transport: Transport<TopicMessages>;
  /** The training stage that a run starts or resumes at. */
  readonly firstTrainingStage: number;
  /** Takes what a stage has to say. */
  readonly say: (event: RunEvent) => void;
  /** Aborted when the run shall stop after what is in flight. */
  readonly stopping: AbortSignal;
  /** Aborted when the run shall stop at once. */
  readonly cancelling: AbortSignal;
  /** What guards have left of the learning rate, in (0, 1]; ask before each training stage. */
  readonly learningRateScale: () => number;
}

type WorkTopic = 'prompts' | 'images' | 'trajectories' | 'rewards' | 'batches';

/**
 * Hands on the messages of a topic. Each stays unacknowledged until its training stage is finished, so that a crash before
 * brings it back. Unsubscribing returns what is not acknowledged to the transport.
 */
export function receive<Topic extends WorkTopic>(
  { transport }: StageContext,
  topic: Topic,
  consumerGroup: string,
  maxInFlight: number,
): Observable<TopicMessages[Topic]> {
  return new Stream((subscriber) => {
    const unanswered = new Set<Delivery<TopicMessages[Topic]>>();
    const acknowledge = ({ trainingStage }: Progress) => {
      for (const delivery of unanswered) {
        if (delivery.message.trainingStage >= trainingStage) continue;
        unanswered.delete(delivery);
        delivery.ack();
      }
    };
    const messages$ = transport.subscribe({ topic, consumerGroup, maxInFlight }).pipe(
      tap((delivery) => unanswered.add(delivery)),
      map(({ message }) => message),
    );
    const finished$ = transport.latest('progress').pipe(
      tap(acknowledge),
      filter(() => false),
      ignoreElements(),
    );
    return merge(messages$, finished$).subscribe(subscriber);
  });
}
