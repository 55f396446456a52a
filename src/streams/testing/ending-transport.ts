import { merge, Observable, ReplaySubject, Subject, takeUntil } from 'rxjs';
import type { TopicMessages } from '../messages/messages.js';
import type { Transport } from '../transport/contract/transport.js';

export interface EndingTransport {
  readonly transport: Transport<TopicMessages>;
  /** No more messages come on a topic: its readers complete once they have all of them. */
  end(topic: string): void;
  /** The same for all broadcasts. */
  endBroadcasts(): void;
  /** Messages and answers so far: where it stays as it is, nothing is under way. */
  activity(): number;
}

/** A transport in memory whose topics can end one by one, as those of a run never do. */
export function endingTransport(inner: Transport<TopicMessages>): EndingTransport {
  const ended = new Set<string>();
  const published = new Map<string, number>();
  const changes$ = new Subject<void>();
  const broadcastsEnd$ = new ReplaySubject<void>(1);
  let activity = 0;
  const transport: Transport<TopicMessages> = {
    ...inner,
    async publish(topic, envelope) {
      activity += 1;
      await inner.publish(topic, envelope);
      published.set(topic, (published.get(topic) ?? 0) + 1);
      changes$.next();
    },
    subscribe: (subscription) =>
      new Observable((subscriber) => {
        const { topic, onRepeat } = subscription;
        let seen = 0;
        const see = () => {
          seen += 1;
          activity += 1;
        };
        const repeated = onRepeat && {
          onRepeat: () => {
            see();
            onRepeat();
          },
        };
        const completeAtEnd = () => {
          if (ended.has(topic) && seen >= (published.get(topic) ?? 0)) subscriber.complete();
        };
        return merge(
          inner.subscribe({ ...subscription, ...repeated }),
          new Observable<never>(() => changes$.subscribe(completeAtEnd)),
        ).subscribe({
          next(delivery) {
            if (delivery.attempt === 1) see();
            subscriber.next(delivery);
            completeAtEnd();
          },
          error: (error: unknown) => subscriber.error(error),
          complete: () => subscriber.complete(),
        });
      }),
    latest: (topic) => inner.latest(topic).pipe(takeUntil(broadcastsEnd$)),
  };
  return {
    transport,
    end(topic) {
      ended.add(topic);
      changes$.next();
    },
    endBroadcasts: () => broadcastsEnd$.next(),
    activity: () => activity,
  };
}
