import type { Observable } from 'rxjs';
import type { Judgment } from '../../../operators/index.js';
import type { Comparison } from '../../messages/people.js';

export type { Judgment };

/**
 * What a group is doing: `drawing` until its pictures are there, `waiting` for feedback, `decided` until its round is trained,
 * `trained`; or left behind: `expired` without enough feedback in time, `stale` because the policy had moved on when its turn came,
 * `lost` because its round was trained without it for another reason, `failed` because it could not be drawn, or must not be served.
 */
export type GroupState =
  | 'drawing'
  | 'waiting'
  | 'decided'
  | 'trained'
  | 'expired'
  | 'stale'
  | 'lost'
  | 'failed';

/** How the pictures of a group came about. */
export interface ServedTree {
  /** The first sampler step whose latents are kept; 0 is the one from pure noise. */
  readonly firstStep: number;
  readonly numSteps: number;
  /** The leaves share the steps before it. */
  readonly forkStep: number;
  /** Indices of the steps on which the policy would be trained. */
  readonly trainedSteps: readonly number[];
  /** Clean guesses that can be shown, each a picture named `guess-<step>-<node>`; node 0 is the shared prefix before the fork. */
  readonly guesses: readonly { readonly step: number; readonly node: number }[];
}

/** A group as people see it. */
export interface ServedGroup {
  readonly id: string;
  readonly prompt: string;
  readonly state: GroupState;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly seed: number;
  /** Number of rounds that the policy had finished that drew it; null before it is drawn. */
  readonly policyVersion: number | null;
  /** Which of its pictures a canary drew; null where it drew none, and before the group is decided. */
  readonly comparison: Comparison | null;
  /** The round that trains on it; null before it has one. */
  readonly round: number | null;
  /** Of each picture, in pixels; [0, 0] before the group is drawn. */
  readonly size: readonly [width: number, height: number];
  /** Number of pictures, named `0` to `pictures - 1`. */
  readonly pictures: number;
  /** Null before it is drawn. */
  readonly tree: ServedTree | null;
  /** Number of votes that count, those who skipped left out. */
  readonly votes: number;
  /** One number a picture, in [0, 1]; null before the group is decided. */
  readonly rewards: readonly number[] | null;
  /** Share of its voters who chose what the group's decision is, in [0, 1]; null before it is decided. */
  readonly agreement: number | null;
  /** The client that asked for it; null once that was deleted. */
  readonly requestedBy: string | null;
}

/** A vote as it is kept: a line of `votes.jsonl`. */
export interface VoteLine {
  readonly groupId: string;
  readonly voter: string;
  readonly judgment: Judgment;
  /** ISO 8601. */
  readonly at: string;
}

/** Who has answered for a person. */
export interface GatewaysOfPerson {
  /** Whether all gateways that are at work have. */
  readonly complete: boolean;
  readonly gateways: { readonly running: number; readonly answered: number };
}

export interface PersonExport extends GatewaysOfPerson {
  readonly person: string;
  /** What they asked for, the newest first. */
  readonly groups: readonly ServedGroup[];
  readonly votes: readonly VoteLine[];
}

/** How much was deleted: the most that a gateway had. */
export interface PersonDeletion extends GatewaysOfPerson {
  readonly groups: number;
  readonly votes: number;
}

/** A judgment, and who gives it. Skipping is no feedback: the group is not shown to this voter again. */
export type Vote = {
  readonly voter: string;
  /** Two requests with the same key are one. A voter has one vote a group, with or without it. */
  readonly idempotencyKey?: string;
} & Judgment;

export interface DrawRequest {
  readonly prompt: string;
  /** Unsigned, below 2^32. The same seed, prompt and policy draw the same pictures; without it one is chosen. */
  readonly seed?: number;
  /** Who asks: their own groups are listed by it. */
  readonly client: string;
  /** Gives up waiting. What waits to be drawn and is wanted by nobody is not drawn. */
  readonly signal: AbortSignal;
}

/** What happens at the desk. */
export type DeskEvent =
  /** A group is new or has changed. */
  | { readonly type: 'group'; readonly group: ServedGroup }
  /** The clean guess `guess-<step>-<node>` of a group can be shown. */
  | { readonly type: 'step'; readonly id: string; readonly step: number; readonly node: number }
  /** A round is finished; its figures are in the log of the run. */
  | { readonly type: 'round'; readonly round: number; readonly policyVersion: number };

export interface DeskStatus {
  /** Groups that wait to be drawn or are being drawn. */
  readonly queued: number;
  /** Groups that wait for feedback. */
  readonly waiting: number;
  /** Groups that have been decided so far. */
  readonly decided: number;
  /** Groups that expired so far. */
  readonly expired: number;
  /** Requests whose prompt or pictures the rule of the config refused, since the gateway was opened. */
  readonly refused: number;
  /** Requests that it could not judge, and which were not served, since the gateway was opened. */
  readonly unjudged: number;
  /** The round that is open. */
  readonly round: number;
  /** Number of finished rounds of the newest policy. */
  readonly policyVersion: number;
}

/** Where people ask for pictures and say which they like. One a gateway; whoever serves people calls it. */
export interface Desk {
  /**
   * Resolves once the pictures are on disk. Rejects with a {@link DeskError}: queue-full, deadline, prompt-refused,
   * prompt-not-allowed, pictures-not-allowed, rule-failed, shutting-down.
   */
  draw(request: DrawRequest): Promise<ServedGroup>;
  group(id: string): ServedGroup | undefined;
  /** A PNG file: a picture `0`, `1`, ... or a guess `guess-<step>-<node>`; undefined where the group has none of that name. */
  picture(id: string, name: string): Promise<Uint8Array | undefined>;
  /** Groups that wait for feedback and that this voter has not judged or skipped, the oldest first. */
  needsFeedback(options: { readonly voter: string; readonly limit: number }): ServedGroup[];
  /** Groups that this client asked for, the newest first. */
  own(client: string, limit: number): ServedGroup[];
  /**
   * Resolves once the vote is on disk. `isNew` is false where this voter had said the same before. Rejects with a
   * {@link DeskError}: unknown-group, finished, out-of-range, contradicts (this voter has said something else), shutting-down.
   */
  vote(id: string, vote: Vote): Promise<{ readonly group: ServedGroup; readonly isNew: boolean }>;
  /**
   * All that the gateways of the run keep of a person: what they asked for and what they voted. Waits for each that is at work, up
   * to a bound.
   */
  exportPerson(person: string): Promise<PersonExport>;
  /**
   * Forgets a person: what they asked for and voted until now is gone from the files of every gateway, and what of it is still on
   * its way is not kept. One that is away follows when it is back; those at work are waited for, up to a bound.
   */
  deletePerson(person: string): Promise<PersonDeletion>;
  /** All that happens from now on; hot, and it completes when the desk closes. */
  readonly events$: Observable<DeskEvent>;
  status(): DeskStatus;
}

/** Why the desk refuses, and what each means. */
export const DESK_ERROR_CODES = {
  'queue-full': 'as many requests wait as may; try again later',
  deadline: 'the pictures were not there in time',
  'prompt-refused': 'this prompt cannot be drawn',
  'prompt-not-allowed': 'the rule of this gateway does not let this prompt be drawn',
  'pictures-not-allowed': 'the rule of this gateway does not let these pictures be shown',
  'rule-failed': 'nobody could judge whether this may be served',
  'unknown-group': 'there is no such group',
  finished: 'the group takes no more votes',
  'out-of-range': 'the vote does not fit the pictures of the group or the rule',
  contradicts: 'this voter has given another vote',
  deleted: 'what this person asked for and said was deleted meanwhile',
  'shutting-down': 'the run is ending',
} as const;

export type DeskErrorCode = keyof typeof DESK_ERROR_CODES;

/** A refusal of the desk: the fault of a request, never of the run. Its message says what was expected, what came, and what to do. */
export class DeskError extends Error {
  override readonly name = 'DeskError';

  constructor(
    readonly code: DeskErrorCode,
    message: string,
  ) {
    super(message);
  }
}
