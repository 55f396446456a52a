/** @file A desk without a run: it keeps groups in memory, and answers as it is told to. */

import { Subject } from 'rxjs';
import {
  type Desk,
  DeskError,
  type DeskErrorCode,
  type DeskEvent,
  type DrawRequest,
  type PersonExport,
  type ServedGroup,
  type Vote,
} from '../../src/streams/stages/gateway/desk.js';

/** A PNG of one pixel. */
export const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

const ALONE = { complete: true, gateways: { running: 1, answered: 1 } };

export class FakeDesk implements Desk {
  readonly groups = new Map<string, ServedGroup>();
  readonly votes: { readonly id: string; readonly vote: Vote }[] = [];
  readonly drawn: DrawRequest[] = [];
  readonly events$ = new Subject<DeskEvent>();
  /** What the next calls refuse with. */
  refusal: DeskErrorCode | null = null;
  /** Requests wait for this before they are drawn. */
  gate: Promise<void> = Promise.resolve();

  clear(): void {
    this.groups.clear();
    this.votes.length = 0;
    this.drawn.length = 0;
    this.refusal = null;
    this.gate = Promise.resolve();
  }

  async draw(request: DrawRequest): Promise<ServedGroup> {
    this.#refuse();
    this.drawn.push(request);
    await this.gate;
    return this.add({ prompt: request.prompt, seed: request.seed ?? 1, requestedBy: request.client });
  }

  add(change: Partial<ServedGroup> = {}): ServedGroup {
    const group: ServedGroup = {
      id: `g-${this.groups.size}`,
      prompt: 'a red circle',
      state: 'waiting',
      createdAt: '2026-11-30T12:00:00.000Z',
      seed: 1,
      policyVersion: 3,
      comparison: null,
      round: null,
      size: [16, 16],
      pictures: 4,
      tree: { firstStep: 0, numSteps: 6, forkStep: 2, trainedSteps: [2, 3], guesses: [{ step: 2, node: 0 }] },
      votes: 0,
      rewards: null,
      agreement: null,
      requestedBy: 'ann',
      ...change,
    };
    this.groups.set(group.id, group);
    return group;
  }

  group = (id: string) => this.groups.get(id);

  async picture(id: string, name: string): Promise<Uint8Array | undefined> {
    return this.groups.has(id) && ['0', '1', '2', '3', 'guess-2-0'].includes(name) ? PIXEL : undefined;
  }

  needsFeedback({ voter, limit }: { readonly voter: string; readonly limit: number }): ServedGroup[] {
    const isJudged = (id: string) => this.votes.some((one) => one.id === id && one.vote.voter === voter);
    return [...this.groups.values()].filter(({ id }) => !isJudged(id)).slice(0, limit);
  }

  own(client: string, limit: number): ServedGroup[] {
    return [...this.groups.values()].filter(({ requestedBy }) => requestedBy === client).slice(0, limit);
  }

  async vote(id: string, vote: Vote) {
    this.#refuse();
    const group = this.groups.get(id);
    if (!group) throw new DeskError('unknown-group', `group ${id}: expected one that is kept, got none`);
    if (group.state !== 'waiting') throw new DeskError('finished', `group ${id}: expected one that waits`);
    if ('best' in vote && vote.best >= group.pictures)
      throw new DeskError('out-of-range', `vote: expected a picture from 0 to 3, got ${vote.best}`);
    const before = this.votes.find((one) => one.id === id && one.vote.voter === vote.voter);
    if (before && JSON.stringify(before.vote) !== JSON.stringify(vote))
      throw new DeskError('contradicts', `vote of ${vote.voter}: expected the one of before, got another`);
    if (!before) this.votes.push({ id, vote });
    return { group, isNew: !before };
  }

  async exportPerson(person: string): Promise<PersonExport> {
    const votes = this.votes.filter(({ vote }) => vote.voter === person);
    return {
      person,
      groups: this.own(person, 100),
      votes: votes.map(({ id: groupId, vote: { voter, idempotencyKey: _, ...judgment } }) => ({
        ...{ groupId, voter, judgment },
        at: '2026-11-30T12:00:00.000Z',
      })),
      ...ALONE,
    };
  }

  async deletePerson(person: string) {
    return { groups: this.own(person, 100).length, votes: 0, ...ALONE };
  }

  status() {
    const counts = { queued: 0, waiting: this.groups.size, decided: 0, expired: 0, refused: 0, unjudged: 0 };
    return { ...counts, round: 3, policyVersion: 3 };
  }

  #refuse(): void {
    if (this.refusal !== null) throw new DeskError(this.refusal, 'expected something else, got this');
  }
}
