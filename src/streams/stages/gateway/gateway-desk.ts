import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import {
  asyncScheduler,
  firstValueFrom,
  map,
  merge,
  type Observable,
  type SchedulerLike,
  Subject,
} from 'rxjs';
import type { StageConfig } from '../../config/schema/topology-schema.js';
import type { Progress, TopicMessages } from '../../messages/messages.js';
import {
  type DrawnPictures,
  type Feedback,
  type PictureRequest,
  personFault,
} from '../../messages/people.js';
import { incomingFault } from '../../messages/prompts.js';
import type { Transport } from '../../transport/contract/transport.js';
import type { CatchUp } from './catch-up.js';
import {
  type Desk,
  DeskError,
  type DeskEvent,
  type DrawRequest,
  type PersonDeletion,
  type PersonExport,
  type ServedGroup,
  type Vote,
} from './desk.js';
import { DrawQueue, shuttingDown } from './draw-queue.js';
import type { GatewayStore } from './gateway-store.js';
import type { GroupBook } from './group-book.js';
import { deleted } from './group-votes.js';
import type { PersonData } from './person-data.js';
import type { ServingRule } from './serving-rule.js';

interface GatewayDeskOptions {
  readonly settings: StageConfig<'gateway'>;
  /** Of the samplers. */
  readonly groupsPerBatch: number;
  readonly transport: Transport<TopicMessages>;
  readonly book: GroupBook;
  readonly store: GatewayStore;
  readonly caughtUp: CatchUp;
  readonly people: PersonData;
  /** What must not be served; null where all may be. */
  readonly rule: ServingRule | null;
  readonly scheduler?: SchedulerLike;
}

/** Requests that samplers have at a time, in batches: enough for a few of them. */
const BATCHES_AT_ONCE = 4;
const SEEDS = 2 ** 32;
const VOTE_HEADER = 'vote';

interface Waiter {
  readonly resolve: (isNew: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** A {@link Desk} over the topics of a run. What comes back on them is given to `drawn` and `said`. */
export class GatewayDesk implements Desk {
  readonly #queue: DrawQueue;
  readonly #scheduler: SchedulerLike;
  readonly #own$ = new Subject<DeskEvent>();
  /** Groups that are not drawn yet. */
  readonly #drawing = new Map<string, ServedGroup>();
  /** Votes on their way, by the id that travels with them. */
  readonly #waiters = new Map<string, Waiter>();
  #isClosed = false;
  /** Finished rounds that were told of. */
  #toldRounds = 0;
  readonly events$: Observable<DeskEvent>;

  constructor(private readonly options: GatewayDeskOptions) {
    const { settings, groupsPerBatch, book, scheduler = asyncScheduler } = options;
    this.#scheduler = scheduler;
    this.#queue = new DrawQueue({
      maxQueued: settings.maxQueued,
      atOnce: BATCHES_AT_ONCE * groupsPerBatch,
      send: (request) => this.#request(request),
      scheduler,
    });
    this.events$ = merge(
      book.changed$.pipe(map((group): DeskEvent => ({ type: 'group', group }))),
      this.#own$,
    );
  }

  async draw({ prompt, seed = randomInt(SEEDS), client, signal }: DrawRequest): Promise<ServedGroup> {
    const { answerWithinMs, pictures } = this.options.settings;
    const id = `g-${randomBytes(12).toString('hex')}`;
    const requestedAt = this.#scheduler.now();
    const expiresAt = requestedAt + answerWithinMs;
    const request = { id, prompt, seed, requestedBy: client, requestedAt, expiresAt };
    const fault = personFault(client) ?? promptFault(request);
    if (fault !== null) throw refused(fault);
    const settled = this.#queue.add(request, signal);
    // What is refused at once was never a group.
    if (this.#queue.has(id)) this.#show(drawingGroup(request, pictures));
    try {
      await settled;
    } catch (error) {
      this.#fail(id);
      throw error;
    }
    return this.#kept(id);
  }

  group(id: string): ServedGroup | undefined {
    return this.options.book.find(id) ?? this.#drawing.get(id);
  }

  async picture(id: string, name: string): Promise<Uint8Array | undefined> {
    const group = this.options.book.find(id);
    if (!group) return undefined;
    const { pictures, tree } = group;
    const names = [
      ...Array.from({ length: pictures }, (_, index) => String(index)),
      ...(tree?.guesses ?? []).map(({ step, node }) => `guess-${step}-${node}`),
    ];
    return names.includes(name) ? this.options.store.picture(id, name) : undefined;
  }

  needsFeedback({ voter, limit }: { readonly voter: string; readonly limit: number }): ServedGroup[] {
    return this.options.book.waitingFor(voter, limit);
  }

  own(client: string, limit: number): ServedGroup[] {
    const drawing = [...this.#drawing.values()].filter(({ requestedBy }) => requestedBy === client).reverse();
    return [...drawing, ...this.options.book.askedBy(client, limit)].slice(0, limit);
  }

  async vote(id: string, vote: Vote): Promise<{ readonly group: ServedGroup; readonly isNew: boolean }> {
    const { book, transport, caughtUp } = this.options;
    if (this.#isClosed) throw shuttingDown();
    // The pictures may come from another gateway, behind the same address.
    await firstValueFrom(caughtUp(id, () => true));
    const { voter, idempotencyKey: _, ...judgment } = vote;
    const message: Feedback = { groupId: id, voter, judgment, givenAt: this.#scheduler.now() };
    // What cannot be taken is refused before it reaches the other gateways.
    const isNew = book.check(message);
    const taken = isNew ? await this.#send(message, transport) : await book.judge(message);
    return { group: this.#kept(id), isNew: taken };
  }

  exportPerson(person: string): Promise<PersonExport> {
    return this.options.people.export(person);
  }

  deletePerson(person: string): Promise<PersonDeletion> {
    return this.options.people.delete(person);
  }

  status() {
    const { book, rule } = this.options;
    const { waiting, decided, expired, round } = book.counts;
    const { refused, unjudged } = rule?.counts ?? { refused: 0, unjudged: 0 };
    const queued = this.#queue.size;
    return { queued, waiting, decided, expired, refused, unjudged, round, policyVersion: round };
  }

  /** Pictures have come, or the reason why they cannot. */
  async drawn(message: DrawnPictures): Promise<void> {
    const { id } = message.request;
    if ('fault' in message) {
      this.#queue.settle(id, refused(message.fault));
      return;
    }
    const { book, rule } = this.options;
    // What was shown before was judged then.
    const isKnown = book.find(id) !== undefined;
    try {
      if (!isKnown) await rule?.pictures(message);
    } catch (error) {
      if (!(error instanceof DeskError)) throw error;
      this.#queue.settle(id, error);
      return;
    }
    if (!(await book.take(message))) {
      this.#queue.settle(id, deleted(`group ${id}`));
      return;
    }
    this.#drawing.delete(id);
    for (const { step, node } of message.guesses) this.#own$.next({ type: 'step', id, step, node });
    this.#queue.settle(id, null);
  }

  /**
   * A vote has come, of this desk or of others. Rejects with a {@link DeskError} where nobody else is told. One of somebody who was
   * deleted since leaves no trace.
   */
  async said(vote: Feedback, voteId: string | undefined): Promise<void> {
    // Those of other programs may lie in the future, where no deletion would reach them.
    const message = { ...vote, givenAt: Math.min(vote.givenAt, this.#scheduler.now()) };
    const waiter = voteId === undefined ? undefined : this.#waiters.get(voteId);
    if (voteId !== undefined) this.#waiters.delete(voteId);
    try {
      const isNew = await this.options.book.judge(message);
      waiter?.resolve(isNew);
    } catch (error) {
      if (!waiter && error instanceof DeskError && error.code === 'deleted') return;
      if (!waiter) throw error;
      waiter.reject(error);
      if (!(error instanceof DeskError)) throw error;
    }
  }

  /** A round begins, or is closed. */
  advance({ round, partialRounds }: Pick<Progress, 'round' | 'partialRounds'>): void {
    this.options.book.advance(round, partialRounds);
    if (round > this.#toldRounds) this.#own$.next({ type: 'round', round: round - 1, policyVersion: round });
    this.#toldRounds = round;
  }

  close(): void {
    this.#isClosed = true;
    this.#queue.close();
    for (const { reject } of this.#waiters.values()) reject(shuttingDown());
    this.#waiters.clear();
    this.options.people.close();
    this.#own$.complete();
  }

  #send(message: Feedback, transport: Transport<TopicMessages>): Promise<boolean> {
    const voteId = randomUUID();
    return new Promise((resolve, reject) => {
      this.#waiters.set(voteId, { resolve, reject });
      const headers = { [VOTE_HEADER]: voteId };
      transport.publish('feedback', { key: message.groupId, message, headers }).catch((error: unknown) => {
        this.#waiters.delete(voteId);
        reject(error);
      });
    });
  }

  /** Hands a request to the samplers, unless its prompt must not be drawn, or nobody waits for it by now. */
  async #request(request: PictureRequest): Promise<void> {
    const { rule, transport } = this.options;
    await rule?.prompt(request);
    const { id } = request;
    if (this.#queue.has(id)) await transport.publish('requests', { key: id, message: request });
  }

  #kept(id: string): ServedGroup {
    const group = this.options.book.find(id);
    if (group) return group;
    throw new DeskError('unknown-group', `group ${id}: expected to be kept, got removed meanwhile.`);
  }

  #show(group: ServedGroup): void {
    this.#drawing.set(group.id, group);
    this.#own$.next({ type: 'group', group });
  }

  #fail(id: string): void {
    const group = this.#drawing.get(id);
    this.#drawing.delete(id);
    if (group) this.#own$.next({ type: 'group', group: { ...group, state: 'failed' } });
  }
}

/** The id that travels with a vote. */
export const voteIdOf = (headers: Readonly<Record<string, string>>): string | undefined =>
  headers[VOTE_HEADER];

function promptFault({ id, prompt }: PictureRequest): string | null {
  const fault = incomingFault({ id, prompt });
  if (fault !== null) return fault;
  return /\p{Cc}/u.test(prompt) ? 'expected a prompt without control characters, got one with some' : null;
}

const refused = (fault: string) => new DeskError('prompt-refused', `request: ${fault}. Change the prompt.`);

function drawingGroup(
  { id, prompt, seed, requestedAt, requestedBy }: PictureRequest,
  pictures: number,
): ServedGroup {
  return {
    ...{ id, prompt, seed, requestedBy, pictures, votes: 0, size: [0, 0] as const, state: 'drawing' },
    createdAt: new Date(requestedAt).toISOString(),
    ...{ policyVersion: null, comparison: null, round: null, tree: null, rewards: null, agreement: null },
  };
}
