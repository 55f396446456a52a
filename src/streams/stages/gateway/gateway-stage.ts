/** @file People on the one side, the topics of a run on the other. */

import {
  asyncScheduler,
  concatMap,
  defer,
  EMPTY,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  type SchedulerLike,
  tap,
  timer,
} from 'rxjs';
import { deletionHours } from '../../config/resolved/deletion-hours.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { TopicMessages } from '../../messages/messages.js';
import type { Delivery, Transport } from '../../transport/contract/transport.js';
import type { StageContext } from '../shared/stage-context.js';
import { answerTickets } from './answer-tickets.js';
import { type CatchUp, catchUp } from './catch-up.js';
import { type Desk, DeskError } from './desk.js';
import { GatewayDesk, voteIdOf } from './gateway-desk.js';
import { GatewayStore } from './gateway-store.js';
import { GroupBook } from './group-book.js';
import { PersonData } from './person-data.js';
import type { ServingRule } from './serving-rule.js';

/** An open gateway: the desk for people, and what the stage works with. */
export interface Gateway {
  readonly desk: Desk;
  readonly parts: GatewayParts;
  /** Resolves when all that was told is on disk. */
  close(): Promise<void>;
}

interface GatewayParts {
  readonly desk: GatewayDesk;
  readonly book: GroupBook;
  readonly store: GatewayStore;
  readonly caughtUp: CatchUp;
  readonly people: PersonData;
  readonly scheduler: SchedulerLike;
}

interface GatewayOptions {
  readonly config: ResolvedConfig;
  /** As the stage sees it. */
  readonly transport: Transport<TopicMessages>;
  /** Folder of what is kept. */
  readonly path: string;
  readonly warn: (message: string) => void;
  /** Rounds that are trained. */
  readonly finishedRounds: number;
  /** What must not be served; closed with the gateway. Default: all may be. */
  readonly rule?: ServingRule | null;
  /** Times deadlines and expiry. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** Messages of a topic that are taken at the same time; votes may wait for their groups, and are small. */
const AT_ONCE = { drawn: 16, feedback: 256, deletions: 16, people: 16 } as const;
const PRUNING_MS = 3_600_000;

/**
 * Opens what a gateway has kept, and the desk.
 *
 * Errors: TRIB_FILE.
 */
export async function openGateway({
  config,
  transport,
  path,
  warn,
  finishedRounds,
  rule = null,
  scheduler = asyncScheduler,
}: GatewayOptions): Promise<Gateway> {
  const settings = stageOf(config, 'gateway');
  const { maxStaleness } = stageOf(config, 'trainer');
  const { groupsPerBatch } = stageOf(config, 'sampler');
  const { store, kept } = await GatewayStore.open(path, warn);
  const book = new GroupBook({
    ...{ settings, maxStaleness, store, kept, finishedRounds, scheduler },
    deletionHours: deletionHours(config),
  });
  // In one process there is no other gateway.
  const withinMs = config.transport.kind === 'in-process' ? 0 : settings.catchUpWithinMs;
  const caughtUp = catchUp({ book, withinMs, scheduler });
  const people = new PersonData({ transport, book, name: store.name, withinMs, scheduler });
  const desk = new GatewayDesk({
    ...{ settings, groupsPerBatch, transport, book, store, caughtUp, people, rule, scheduler },
  });
  return {
    desk,
    parts: { desk, book, store, caughtUp, people, scheduler },
    async close() {
      desk.close();
      book.close();
      await rule?.close();
      await store.flushed();
    },
  };
}

/**
 * Connects a gateway with the topics: what was drawn and said goes to the groups; a group on which people have decided comes in as a
 * prompt, and its ticket is answered with what was kept of it.
 *
 * Time: a message is acknowledged when what it says is on disk. Errs where something cannot be written.
 */
export function gatewayStage(
  context: StageContext,
  { desk, book, store, caughtUp, people, scheduler }: GatewayParts,
): Observable<never> {
  const { transport, firstRound } = context;
  const everyGateway = <Topic extends keyof typeof AT_ONCE>(topic: Topic) =>
    transport.subscribe({ topic, consumerGroup: `gateway-${store.name}`, maxInFlight: AT_ONCE[topic] });
  const drawn$ = everyGateway('drawn').pipe(
    mergeMap(async (delivery) => {
      await desk.drawn(delivery.message);
      delivery.ack();
    }),
  );
  const said$ = everyGateway('feedback').pipe(
    // One that has waited is not let wait again.
    mergeMap((delivery) =>
      delivery.attempt > 1
        ? of(delivery)
        : caughtUp(delivery.message.groupId, () => true).pipe(map(() => delivery)),
    ),
    mergeMap(async (delivery: Delivery<TopicMessages['feedback']>) => {
      try {
        await desk.said(delivery.message, voteIdOf(delivery.headers));
        delivery.ack();
      } catch (error) {
        if (!(error instanceof DeskError)) throw error;
        delivery.nack(error.message);
      }
    }),
  );
  const isAlone = context.config.transport.kind === 'in-process';
  const deleted$ = everyGateway('deletions').pipe(
    concatMap(async (delivery) => {
      await people.deleted(delivery.message);
      delivery.ack();
    }),
  );
  const heard$ = everyGateway('people').pipe(
    concatMap(async (delivery) => {
      await people.heard(delivery.message);
      delivery.ack();
    }),
  );
  const decided$ = book.decided$.pipe(
    concatMap(({ id, prompt }) =>
      transport.publish('incoming-prompts', { key: id, message: { id, prompt } }),
    ),
  );
  const begun$ = defer(() => {
    book.begin(firstRound);
    return EMPTY;
  });
  const rounds$ = transport.latest('progress').pipe(tap((progress) => desk.advance(progress)));
  const pruned$ = timer(0, PRUNING_MS, scheduler).pipe(concatMap(() => book.prune(scheduler.now())));
  return merge(
    book.faults$,
    decided$,
    begun$,
    drawn$,
    said$,
    rounds$,
    pruned$,
    isAlone ? EMPTY : merge(deleted$, heard$),
    answerTickets(context, { book, store, caughtUp }),
  ).pipe(ignoreElements());
}
