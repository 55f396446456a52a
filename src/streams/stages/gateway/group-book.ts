import { asyncScheduler, type Observable, type SchedulerLike, Subject, type Subscription } from 'rxjs';
import {
  decideByVotes,
  type PromptTicket,
  type VoteEvent,
  type VoteOutcome,
} from '../../../operators/index.js';
import type { StageConfig } from '../../config/schema/topology-schema.js';
import type { PartialRound } from '../../messages/messages.js';
import type { DrawnGroup, Feedback } from '../../messages/people.js';
import { DeletedPeople, personKey } from './deleted-people.js';
import type { ServedGroup, VoteLine } from './desk.js';
import type { GatewayStore, KeptFiles } from './gateway-store.js';
import {
  fitsGroup,
  type GroupRecord,
  lossOf,
  newRecord,
  servedGroup,
  stateOf,
  voteLine,
} from './group-record.js';
import { deleted, finished, GroupVotes, unknownGroup } from './group-votes.js';
import { pairsOf } from './preference-pairs.js';
import { raterWeights } from './rater-weights.js';
import { outlived } from './retention.js';

interface GroupBookOptions {
  readonly settings: StageConfig<'gateway'>;
  /** Versions that a policy may be behind when its group is trained. */
  readonly maxStaleness: number;
  readonly store: GatewayStore;
  readonly kept: KeptFiles;
  /** Hours for which it is known who was deleted. */
  readonly deletionHours: number;
  /** Rounds that are trained. */
  readonly finishedRounds: number;
  readonly scheduler?: SchedulerLike;
}

const HOUR_MS = 3_600_000;

/** Of a ticket. */
type Place = Pick<PromptTicket, 'round' | 'groupId'>;

/**
 * The groups of a gateway and what was said of them, in memory and on disk.
 *
 * Nothing is told before it is on disk, and what is on disk gives the same state again: votes are counted anew, a decision stands,
 * and a group whose round was not finished is decided again in its turn.
 */
export class GroupBook {
  readonly #groups = new Map<string, GroupRecord>();
  readonly #votes = new GroupVotes();
  readonly #deleted: DeletedPeople;
  readonly #voting$ = new Subject<VoteEvent>();
  readonly #changed$ = new Subject<ServedGroup>();
  readonly #decided$ = new Subject<GroupRecord>();
  readonly #faults$ = new Subject<never>();
  readonly #deciding: Subscription;
  #decisions = 0;
  #finishedRounds: number;
  #hasBegun = false;
  readonly #counts = { expired: 0, stale: 0, lost: 0 };
  /** By round. */
  #partial: ReadonlyMap<number, PartialRound> = new Map();

  constructor(private readonly options: GroupBookOptions) {
    const { settings, kept, scheduler = asyncScheduler } = options;
    this.#finishedRounds = options.finishedRounds;
    this.#deleted = new DeletedPeople(kept.deletions);
    const weightOf = raterWeights(settings, this.#votes);
    const deciding = { ...settings.feedback, weightOf, maxWaiting: settings.maxWaiting, scheduler };
    const outcomes$ = this.#voting$.pipe(decideByVotes(deciding));
    this.#deciding = outcomes$.subscribe((outcome) => this.#settle(outcome));
    for (const record of kept.groups) this.#restore(record);
    for (const line of kept.votes) {
      const record = this.#groups.get(line.groupId);
      if (!record || !fitsGroup(line, record)) continue;
      this.#votes.set(line);
      this.#voting$.next({ kind: 'vote', ...line });
    }
  }

  /** Groups that are new or have changed. */
  readonly changed$: Observable<ServedGroup> = this.#changed$;
  /** Groups that need a place in a round, once their decision is on disk. */
  readonly decided$: Observable<GroupRecord> = this.#decided$;
  /** Errs where something cannot be written. */
  readonly faults$: Observable<never> = this.#faults$;

  get counts() {
    const states = Array.from(this.#groups.values(), (record) => stateOf(record, this.#finishedRounds));
    const waiting = states.filter((state) => state === 'waiting').length;
    return { waiting, decided: this.#decisions, ...this.#counts, round: this.#finishedRounds };
  }

  /** Rounds from this one on are trained from now on, whatever was known of them: gives out what was decided for them. */
  begin(round: number): void {
    this.#hasBegun = true;
    this.#finishedRounds = round;
    const decided = [...this.#groups.values()].filter(({ decision }) => decision !== null);
    decided.sort((a, b) => (a.decision?.order ?? 0) - (b.decision?.order ?? 0));
    for (const record of decided) {
      const isOpen = record.round === null ? record.left === null : record.round >= round;
      if (!isOpen) continue;
      this.#decide({ ...record, left: null, round: null, ticket: null });
    }
  }

  /** A round begins, and those before it are trained; or one was closed. `partial`: the newest that lack some of their groups. */
  advance(round: number, partial: readonly PartialRound[] = []): void {
    const before = this.#finishedRounds;
    this.#finishedRounds = round;
    this.#partial = new Map(partial.map((closed) => [closed.round, closed]));
    for (const record of this.#groups.values()) {
      if (record.round === null) continue;
      const isFinished = record.round >= before && record.round < round;
      if (!isFinished && !this.#partial.has(record.round)) continue;
      const left = lossOf(record, this.#partial);
      if (left !== record.left) void this.#change({ ...record, left });
      else if (isFinished) this.#tell(record);
    }
  }

  /** Keeps a group that was drawn, unless who asked for it was deleted since. Resolves when it is on disk, with whether it is. */
  async take(drawn: DrawnGroup): Promise<boolean> {
    const { id, requestedBy, requestedAt } = drawn.request;
    if (this.#groups.has(id)) return true;
    if (this.#deleted.covers(requestedBy, requestedAt)) return false;
    const record = newRecord(drawn);
    await this.options.store.saveGroup(record, drawn);
    // Deleted while it was written.
    if (this.#deleted.covers(requestedBy, requestedAt)) {
      await this.options.store.removeGroup(id);
      return false;
    }
    this.#groups.set(id, record);
    this.#wait(record);
    this.#tell(record);
    return true;
  }

  /**
   * Checks whether a judgment can be taken now. Returns whether it is new: false where this voter has said the same.
   *
   * Errors: a {@link DeskError}.
   */
  check(feedback: Omit<Feedback, 'givenAt'>): boolean {
    const record = this.#record(feedback.groupId);
    if (!this.#votes.isNew(feedback, record)) return false;
    if (record.decision || record.left) throw finished(record, stateOf(record, this.#finishedRounds));
    return true;
  }

  /**
   * Takes what somebody says of a group. Resolves when it is on disk, with whether it is new.
   *
   * Errors: a {@link DeskError}.
   */
  async judge(feedback: Feedback): Promise<boolean> {
    const { store } = this.options;
    const { voter, givenAt } = feedback;
    const requireKept = () => {
      if (this.#deleted.covers(voter, givenAt)) throw deleted(`vote on group ${feedback.groupId}`);
    };
    requireKept();
    if (!this.check(feedback)) {
      await store.votesWritten();
      return false;
    }
    const line = voteLine(feedback);
    const record = this.#record(line.groupId);
    // Before it is written, so that a second vote of the voter meets it.
    this.#votes.set(line);
    await store.appendVote(line, pairsOf(line, record));
    requireKept();
    this.#voting$.next({ kind: 'vote', ...line });
    const now = this.#groups.get(record.id);
    if (now === undefined || now.left === 'expired') throw finished(record, 'expired');
    if (now.decision === null) this.#tell(now);
    return true;
  }

  /** Gives a group its place in a round, by a ticket. Returns why it may not be trained there; null if it may. */
  async assign(id: string, { round, groupId: ticket }: Place): Promise<string | null> {
    const record = this.#groups.get(id);
    if (!record?.decision) return `this gateway knows of no decision on the group ${id}`;
    if (record.round !== null && record.round !== round)
      return `the group ${id} has its place in round ${record.round}`;
    if (record.left !== null && record.round === null) return `the group ${id} is ${record.left}`;
    await this.#change({ ...record, round, ticket });
    return null;
  }

  /** Learns of the place that a group has by a ticket that another gateway answers, or nobody does any more. */
  async place(id: string, { round, groupId: ticket }: Place): Promise<void> {
    const record = this.#groups.get(id);
    if (!record || record.ticket === ticket) return;
    if (record.round !== null && record.round !== round && record.left === null) return;
    const placed = { ...record, round, ticket };
    await this.#change({ ...placed, left: lossOf(placed, this.#partial) });
  }

  /** The policy or the interval had moved on when a group had its turn. */
  async lose(id: string): Promise<void> {
    const record = this.#groups.get(id);
    if (!record || record.left) return;
    await this.#change({ ...record, left: 'stale' });
  }

  find(id: string): ServedGroup | undefined {
    const record = this.#groups.get(id);
    return record && this.#served(record);
  }

  /** Groups that wait for this voter and can still be trained on, the oldest first. */
  waitingFor(voter: string, limit: number): ServedGroup[] {
    const isMeant = (record: GroupRecord) =>
      stateOf(record, this.#finishedRounds) === 'waiting' &&
      !this.#isTooOld(record) &&
      !this.#votes.has(record.id, voter);
    return this.#where(isMeant).slice(0, limit);
  }

  /** Groups that this client asked for, the newest first. */
  askedBy(client: string, limit: number): ServedGroup[] {
    return this.#where((record) => record.requestedBy === client)
      .reverse()
      .slice(0, limit);
  }

  votesBy(voter: string): VoteLine[] {
    return this.#votes.by(voter);
  }

  /** Groups that this person asked for, with how many votes each has. */
  recordsOf(person: string) {
    return [...this.#groups.values()]
      .filter(({ requestedBy }) => requestedBy === person)
      .map((record) => ({ record, votes: this.#votes.count(record.id) }));
  }

  /**
   * Removes the groups that a person asked for until a time, and what they said of any; what comes later and is as old is not taken.
   * Resolves when the files say nothing of them.
   *
   * @param person as `personKey` gives it.
   */
  async forget(person: string, until: number): Promise<{ readonly groups: number; readonly votes: number }> {
    if (this.#deleted.add({ person, until })) await this.options.store.appendDeletion({ person, until });
    const name = this.#people().find((one) => personKey(one) === person);
    if (name === undefined) return { groups: 0, votes: 0 };
    const records = this.recordsOf(name).map(({ record }) => record);
    const groups = records.filter(({ createdAt }) => Date.parse(createdAt) <= until);
    const { length: votes } = this.#votes.forget(name, until);
    if (groups.length === 0 && votes === 0) return { groups: 0, votes };
    this.#voting$.next({ kind: 'forget', voter: name });
    for (const line of this.votesBy(name)) this.#voting$.next({ kind: 'vote', ...line });
    await this.#remove(groups);
    return { groups: groups.length, votes };
  }

  /** Removes groups that are done with and older than the settings keep them. */
  async prune(now: number): Promise<void> {
    const { retention } = this.options.settings;
    const gone = outlived([...this.#groups.values()], {
      retention,
      now,
      finishedRounds: this.#finishedRounds,
    });
    if (gone.length > 0) await this.#remove(gone);
    const deletions = this.#deleted.prune(now - this.options.deletionHours * HOUR_MS);
    if (deletions) await this.options.store.rewriteDeletions(deletions);
  }

  close(): void {
    this.#deciding.unsubscribe();
    this.#changed$.complete();
    this.#decided$.complete();
  }

  #restore(record: GroupRecord): void {
    this.#groups.set(record.id, record);
    this.#decisions = Math.max(this.#decisions, (record.decision?.order ?? -1) + 1);
    if (record.left) this.#counts[record.left] += 1;
    if (!record.decision && !record.left) this.#wait(record);
  }

  #wait({ id: groupId, pictures: numPictures, createdAt }: GroupRecord): void {
    const expiresAt = Date.parse(createdAt) + this.options.settings.feedbackWithinMs;
    this.#voting$.next({ kind: 'group', groupId, numPictures, expiresAt });
  }

  #settle(outcome: VoteOutcome): void {
    const record = this.#record(outcome.groupId);
    if (outcome.kind === 'expired') {
      // One that has its place in a round was decided, of which this gateway has not read.
      if (record.round === null) void this.#change({ ...record, left: 'expired' });
      return;
    }
    const { votes, rewards, agreement } = outcome;
    const decision = { order: this.#decisions++, votes, rewards: [...rewards], agreement };
    if (record.round === null) this.#decide({ ...record, decision });
    else void this.#change({ ...record, decision });
  }

  /** Once the decision is on disk, a group that can be trained on is given out. */
  #decide(decided: GroupRecord): void {
    const left = this.#isTooOld(decided) ? 'stale' : null;
    const record = { ...decided, left } as const;
    const give = () => {
      if (this.#hasBegun && left === null) this.#decided$.next(record);
    };
    this.#change(record).then(give, () => undefined);
  }

  /** Whether a round that begins now could not train on it. A policy of the future is that of another run. */
  #isTooOld({ policyVersion }: GroupRecord): boolean {
    const age = this.#finishedRounds - policyVersion;
    return age < 0 || age > this.options.maxStaleness;
  }

  #change(record: GroupRecord): Promise<void> {
    const before = this.#groups.get(record.id)?.left ?? null;
    if (before !== null) this.#counts[before] -= 1;
    if (record.left !== null) this.#counts[record.left] += 1;
    this.#groups.set(record.id, record);
    this.#tell(record);
    const written = this.options.store.saveRecord(record);
    written.catch((error: unknown) => this.#faults$.error(error));
    return written;
  }

  async #remove(records: readonly GroupRecord[]): Promise<void> {
    for (const { id } of records) {
      this.#groups.delete(id);
      this.#votes.remove(id);
      this.#voting$.next({ kind: 'remove', groupId: id });
    }
    const { lines, pairs } = this.#votes.files((id) => this.#record(id));
    await this.options.store.rewriteVotes(lines, pairs);
    for (const { id } of records) await this.options.store.removeGroup(id);
  }

  #record(groupId: string): GroupRecord {
    const record = this.#groups.get(groupId);
    if (record) return record;
    throw unknownGroup(groupId);
  }

  /** Everyone who asked for something, or voted. */
  #people(): string[] {
    const asked = [...this.#groups.values()].flatMap(({ requestedBy }) => requestedBy ?? []);
    return [...new Set([...asked, ...this.#votes.voters])];
  }

  #where(isMeant: (record: GroupRecord) => boolean): ServedGroup[] {
    return [...this.#groups.values()].filter(isMeant).map((record) => this.#served(record));
  }

  #served(record: GroupRecord): ServedGroup {
    return servedGroup(record, this.#finishedRounds, this.#votes.count(record.id));
  }

  #tell(record: GroupRecord): void {
    this.#changed$.next(this.#served(record));
  }
}
