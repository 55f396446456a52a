/** @file What is kept of a person, over all gateways of a run: each has a store of its own. */

import { randomUUID } from 'node:crypto';
import { filter, firstValueFrom, map, type SchedulerLike, Subject } from 'rxjs';
import type { TopicMessages } from '../../messages/messages.js';
import type {
  AmongGateways,
  Deletion,
  GatewayQuestion,
  PersonAnswer,
  RemovedOfPerson,
} from '../../messages/people.js';
import type { Transport } from '../../transport/contract/transport.js';
import { personKey } from './deleted-people.js';
import { DeskError, type GatewaysOfPerson, type PersonDeletion, type PersonExport } from './desk.js';
import { gatherAnswers } from './gather-answers.js';
import type { GroupBook } from './group-book.js';
import { keptOf, readKept } from './kept-of-person.js';

interface PersonDataOptions {
  readonly transport: Transport<TopicMessages>;
  readonly book: GroupBook;
  /** Of this gateway. */
  readonly name: string;
  /** Milliseconds that answers of other gateways are waited for; 0 where there are none. */
  readonly withinMs: number;
  readonly scheduler: SchedulerLike;
}

interface Gathered<Found> extends GatewaysOfPerson {
  readonly found: readonly Found[];
}

/** Questions of this gateway that may be open. Bounds memory. */
const MOST_OPEN = 100;

/**
 * Exports and deletes what is kept of a person, here and at the other gateways of the run, which it asks over the topics
 * `deletions` and `people`. A gateway without others uses neither.
 */
export class PersonData {
  readonly #answers$ = new Subject<PersonAnswer>();
  /** Questions that are open. */
  #open = 0;

  constructor(private readonly options: PersonDataOptions) {}

  /** Errors: a {@link DeskError}, queue-full. */
  async export(person: string): Promise<PersonExport> {
    const { book, transport } = this.options;
    const asked = await this.#ask(
      (question) => transport.publish('people', { key: question.id, message: { question, person } }),
      (found) => ('groups' in found ? readKept(found, person, book.counts.round) : null),
    );
    const { found, ...gateways } = asked;
    const groups = new Map(book.askedBy(person, Number.POSITIVE_INFINITY).map((group) => [group.id, group]));
    const votes = new Map(book.votesBy(person).map((vote) => [vote.groupId, vote]));
    for (const kept of found) {
      for (const group of kept.groups) if (!groups.has(group.id)) groups.set(group.id, group);
      for (const vote of kept.votes) if (!votes.has(vote.groupId)) votes.set(vote.groupId, vote);
    }
    const newestFirst = [...groups.values()].sort(
      (a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt),
    );
    return { person, groups: newestFirst, votes: [...votes.values()], ...gateways };
  }

  /** Errors: a {@link DeskError}, queue-full. */
  async delete(name: string): Promise<PersonDeletion> {
    const { book, transport, scheduler } = this.options;
    const person = personKey(name);
    const deletedAt = scheduler.now();
    // What is refused changes nothing, here or elsewhere.
    this.#requireRoom();
    const own = await book.forget(person, deletedAt);
    const asked = await this.#ask(
      (question) => transport.publish('deletions', { key: person, message: { person, deletedAt, question } }),
      (found) => ('removedGroups' in found ? found : null),
    );
    const { found, ...gateways } = asked;
    return {
      groups: Math.max(own.groups, ...found.map(({ removedGroups }) => removedGroups)),
      votes: Math.max(own.votes, ...found.map(({ removedVotes }) => removedVotes)),
      ...gateways,
    };
  }

  /** Somebody was deleted. Resolves when nothing of before is on disk any more. */
  async deleted({ person, deletedAt, question }: Deletion): Promise<void> {
    const { book, scheduler } = this.options;
    const { groups, votes } = await book.forget(person, Math.min(deletedAt, scheduler.now()));
    const removed: RemovedOfPerson = { removedGroups: groups, removedVotes: votes };
    await this.#answer(question, () => removed);
  }

  /** Another gateway asks or answers, or this one did. */
  async heard(message: AmongGateways): Promise<void> {
    if ('answerTo' in message) {
      this.#answers$.next(message);
      return;
    }
    const { question, person } = message;
    await this.#answer(question, () => keptOf(this.options.book, person));
  }

  close(): void {
    this.#answers$.complete();
  }

  /** @param read takes an answer; null where it is none. */
  async #ask<Found>(
    send: (question: GatewayQuestion) => Promise<void>,
    read: (found: PersonAnswer['found']) => Found | null,
  ): Promise<Gathered<Found>> {
    const { transport, name, withinMs, scheduler } = this.options;
    if (withinMs === 0) return { found: [], complete: true, gateways: { running: 1, answered: 1 } };
    this.#requireRoom();
    const question = { id: `${name}/${randomUUID()}`, expiresAt: scheduler.now() + withinMs };
    this.#open += 1;
    try {
      const { length: readers } = await transport.readers('prompts', 'gateways');
      const answers$ = this.#answers$.pipe(
        filter(({ answerTo }) => answerTo === question.id),
        map(({ gateway, found }) => ({ gateway, found: read(found) })),
        filter(({ found }) => found !== null),
        gatherAnswers({ others: readers - 1, withinMs, scheduler }),
      );
      const gathered = firstValueFrom(answers$);
      await send(question);
      const found = (await gathered).map((answer) => answer.found as Found);
      const answered = found.length + 1;
      const running = Math.max(readers, answered);
      return { found, complete: answered === running, gateways: { running, answered } };
    } finally {
      this.#open -= 1;
    }
  }

  #requireRoom(): void {
    if (this.#open < MOST_OPEN) return;
    const text = `people: expected at most ${MOST_OPEN} questions to the other gateways at a time, got one more. Try again later.`;
    throw new DeskError('queue-full', text);
  }

  async #answer({ id, expiresAt }: GatewayQuestion, found: () => PersonAnswer['found']): Promise<void> {
    const { transport, name, scheduler } = this.options;
    // It knows its own answer.
    if (id.startsWith(`${name}/`) || scheduler.now() > expiresAt) return;
    const message: PersonAnswer = { answerTo: id, gateway: name, found: found() };
    await transport.publish('people', { key: id, message });
  }
}
