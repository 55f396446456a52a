import { EMPTY, exhaustMap, map, mergeMap, type Observable, of, Observable as Stream, tap } from 'rxjs';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { Progress, TopicMessages } from '../../messages/messages.js';
import type { Delivery, Transport } from '../../transport/contract/transport.js';
import type { StageContext } from './stage-context.js';

export type WorkTopic = 'prompts' | 'images' | 'trajectories' | 'rewards' | 'batches' | 'metrics';

export interface ReceiveOptions<Topic extends WorkTopic> {
  readonly transport: Transport<TopicMessages>;
  readonly topic: Topic;
  readonly consumerGroup: string;
  readonly maxInFlight: number;
  /** Why a message cannot belong to this run, as a phrase `expected ..., got ...`; null where it can. Default: it can. */
  readonly faultOf?: (message: TopicMessages[Topic]) => string | null;
  /** Hears of each message that comes for a finished round. Default: nobody does. */
  readonly onLate?: () => void;
  /** Hears of each message of a group that has one unanswered already; it is passed over. Default: it is handed on too. */
  readonly onRepeat?: () => void;
}

/**
 * Hands on the messages of rounds that are not finished. Each stays unacknowledged until its round is, so that a
 * crash before brings it back; what comes for a finished round is acknowledged and goes no further. What cannot belong to
 * the run is refused, and becomes a dead letter.
 *
 * Time: takes its first message once it knows how far the run is. Completes with the transport. Unsubscribing returns
 * what is not acknowledged to the transport.
 */
export function receive<Topic extends WorkTopic>({
  transport,
  topic,
  consumerGroup,
  maxInFlight,
  faultOf = () => null,
  onLate = () => undefined,
  onRepeat,
}: ReceiveOptions<Topic>): Observable<TopicMessages[Topic]> {
  return new Stream((subscriber) => {
    const subscription = { topic, consumerGroup, maxInFlight, ...(onRepeat && { onRepeat }) };
    const unanswered = new Set<Delivery<TopicMessages[Topic]>>();
    let current = 0;
    const groupOf = (message: TopicMessages[Topic]) => ('groupId' in message ? message.groupId : null);
    // Under another key, as the transport sets aside those of one key.
    const isHeld = (message: TopicMessages[Topic]) =>
      [...unanswered].some((held) => groupOf(held.message) === groupOf(message));
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
        delivery.ack();
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
 * How many groups, counted from the first of the run, belong to rounds that are closed: work on them is of no use.
 * Completes at once where rounds close by count alone, as then nothing of a closed round is under way.
 */
export function closedGroups({ transport, config }: StageContext): Observable<number> {
  if (stageOf(config, 'advantages').closeAfterMs === undefined) return EMPTY;
  return transport.latest('progress').pipe(map(({ finishedGroups }) => finishedGroups));
}
