/** @file What travels between people and a run: requests for pictures, the pictures, and what is said of them. */

import type { Trajectory } from '../../models/rollouts/sampler.js';
import type { Judgment, RolloutGroup } from '../../operators/index.js';

/** Pictures that somebody asked for. */
export interface PictureRequest {
  /** Of the group that it becomes. */
  readonly id: string;
  readonly prompt: string;
  /** Randomness is keyed by it: 0..2^32-1. */
  readonly seed: number;
  /** The client that asks. */
  readonly requestedBy: string;
  /** Milliseconds since 1970. */
  readonly requestedAt: number;
  /** Milliseconds since 1970 after which nobody waits for the pictures: then they are not drawn. */
  readonly expiresAt: number;
}

/** What the network took a latent for. */
export interface Guess {
  /** The sampler step before which it did. */
  readonly step: number;
  /** Index among the latents of the group before that step. */
  readonly node: number;
  readonly png: Uint8Array;
}

/** A request that was drawn. */
export interface DrawnGroup {
  readonly request: PictureRequest;
  /** Under the id of the request, with its seed as index and in round 0, until it gets its place in a round. */
  readonly group: RolloutGroup<Trajectory>;
  /** Of each picture, in pixels. */
  readonly size: readonly [width: number, height: number];
  /** One a branch, as PNG. */
  readonly pictures: readonly Uint8Array[];
  readonly guesses: readonly Guess[];
  /** Absent where one policy drew all pictures; otherwise the group has the version of the stable one. */
  readonly comparison?: Comparison;
}

/** Which pictures of a group a canary drew. */
export interface Comparison {
  /** Version of the canary. */
  readonly canary: number;
  /** Indices of its pictures, ascending; the others are the stable policy's. */
  readonly pictures: readonly number[];
}

/** A request that the model cannot draw, and why. */
export interface RefusedRequest {
  readonly request: PictureRequest;
  readonly fault: string;
}

export type DrawnPictures = DrawnGroup | RefusedRequest;

/** What somebody says of the pictures of a group. */
export interface Feedback {
  readonly groupId: string;
  /** Of each voter the first judgment of a group counts. */
  readonly voter: string;
  readonly judgment: Judgment;
  /** Milliseconds since 1970. */
  readonly givenAt: number;
}

/** A question among the gateways of a run. */
export interface GatewayQuestion {
  readonly id: string;
  /** Milliseconds since 1970 after which nobody waits for answers. */
  readonly expiresAt: number;
}

/** A person whom every gateway forgets, however late it reads of it. */
export interface Deletion {
  /** SHA-256 of the name in UTF-8, in hexadecimal: this is kept for long, and shall not tell who it was. */
  readonly person: string;
  /** Milliseconds since 1970: what they asked for and said until then is deleted. */
  readonly deletedAt: number;
  /** Answered by who has done it. */
  readonly question: GatewayQuestion;
}

/** What a gateway asks the others, or answers. */
export type AmongGateways = PersonQuestion | PersonAnswer;

/** What is kept of a person? */
export interface PersonQuestion {
  readonly question: GatewayQuestion;
  readonly person: string;
}

export interface PersonAnswer {
  /** Id of the question. */
  readonly answerTo: string;
  /** Name of the gateway that answers. */
  readonly gateway: string;
  readonly found: KeptOfPerson | RemovedOfPerson;
}

/** What a gateway keeps of a person. */
export interface KeptOfPerson {
  /** What they asked for: `group.json` as JSON text, and how many votes the group has. */
  readonly groups: readonly { readonly record: string; readonly votes: number }[];
  /** What they said: lines of `votes.jsonl`. */
  readonly votes: readonly string[];
}

/** How much of a person a gateway has deleted. */
export interface RemovedOfPerson {
  readonly removedGroups: number;
  readonly removedVotes: number;
}

/** It names a folder of the gateway. */
const GROUP_ID = /^g-[0-9a-f]{24}$/;

/** Tells the groups of a gateway from prompts of others. */
export const isGatewayGroup = (id: string): boolean => GROUP_ID.test(id);

const LONGEST_NAME = 200;

/** Returns why the name of a client or a voter is refused, as a phrase `expected ..., got ...`; null if it is not. */
export function personFault(name: string): string | null {
  if (name === '' || name.length > LONGEST_NAME)
    return `expected a name of 1 to ${LONGEST_NAME} characters, got one of ${name.length}`;
  return /\p{Surrogate}/u.test(name) ? 'expected whole characters, got half of a surrogate pair' : null;
}
