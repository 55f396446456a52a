import {
  EMPTY,
  exhaustMap,
  from,
  ignoreElements,
  map,
  mergeMap,
  type Observable,
  of,
  Observable as Stream,
  tap,
} from 'rxjs';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { Progress, TopicMessages } from '../../messages/messages.js';
import type { Delivery, Transport } from '../../transport/contract/transport.js';
import type { StageContext } from './stage-context.js';

type WorkTopic = 'prompts' | 'images' | 'trajectories' | 'rewards' | 'batches' | 'metrics';

interface ReceiveOptions<Topic extends WorkTopic> {
  readonly transport: Transport<TopicMessages>;
  readonly topic: Topic;
  readonly consumerGroup: string;
  readonly maxInFlight: number;
  /** Why a message cannot belong to this run, as a phrase `expected ..., got ...`; null if it can. Default: it can. */
  readonly faultOf?: (message: TopicMessages[Topic]) => string | null;
  /** Called for each message that comes for a finished round. */
  readonly onLate?: () => void;
  /** Takes such a message before it is acknowledged. Default: it is dropped. */
  readonly takeFinished?: (message: TopicMessages[Topic]) => Promise<void>;
  /**
   * Called for each message of a group that has an unanswered one, and is then skipped, but for a loss under another key than
   * rewards that wait. Default: it is emitted too.
   */
  readonly onRepeat?: () => void;
}

/**
 * Emits the messages of rounds that are not finished. Each stays unacknowledged until its round is finished, so a crash
 * before that brings it back. A message of a finished round is acknowledged and dropped. One that cannot belong to the run
 * is refused and becomes a dead letter.
 *
 * Time: takes its first message once it knows how far the run is. Completes with the transport. Unsubscribing returns
 * unacknowledged messages to the transport.
 */
export function receiveUnfinished<Topic extends WorkTopic>({
  transport,
  topic,
  consumerGroup,
  maxInFlight,
  faultOf = () => null,
  onLate = () => undefined,
  takeFinished,
  onRepeat,
}: ReceiveOptions<Topic>): Observable<TopicMessages[Topic]> {
  return new Stream((subscriber) => {
    const subscription = { topic, consumerGroup, maxInFlight, ...(onRepeat && { onRepeat }) };
    const unanswered = new Set<Delivery<TopicMessages[Topic]>>();
    let current = 0;
    const groupOf = (message: TopicMessages[Topic]) => ('groupId' in message ? message.groupId : null);
    // Under another key: the transport sets aside those of the same key. The loss of a group says more than its rewards.
    const isHeld = (message: TopicMessages[Topic]) =>
      [...unanswered].some(
        ({ message: held }) =>
          groupOf(held) === groupOf(message) && (!('reason' in message) || 'reason' in held),
      );
    const acknowledge = ({ round }: Progress) => {
      current = round;
      for (const delivery of unanswered) {
        if (delivery.message.round >= current) continue;
        unanswered.delete(delivery);
        delivery.ack();
      }
    };
    const take = (delivery: Delivery<TopicMessages[Topic]>): Observable<TopicMessages[Topic]> => {
      const fault = faultOf(delivery.message);
      if (fault !== null) delivery.nack(fault);
      else if (delivery.message.round < current) {
        onLate();
        if (!takeFinished) delivery.ack();
        else return from(takeFinished(delivery.message).then(delivery.ack)).pipe(ignoreElements());
      } else if (onRepeat && isHeld(delivery.message)) {
        onRepeat();
        delivery.ack();
      } else {
        unanswered.add(delivery);
        return of(delivery.message);
      }
      return EMPTY;
    };
    return transport
      .latest('progress')
      .pipe(
        tap(acknowledge),
        exhaustMap(() => transport.subscribe(subscription).pipe(mergeMap(take))),
      )
      .subscribe(subscriber);
  });
}

/**
 * How many groups, counted from the first of the run, belong to closed rounds: work on them is wasted. Completes at once if
 * rounds close by count alone, since nothing of a closed round is then in flight.
 */
export function closedGroups({ transport, config }: StageContext): Observable<number> {
  if (stageOf(config, 'advantages').closeAfterMs === undefined) return EMPTY;
  return transport.latest('progress').pipe(map(({ finishedGroups }) => finishedGroups));
}
