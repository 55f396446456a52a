import type { PromptTicket } from './records/records.js';

/** The batch at the head of a queue of tickets. */
export interface HeadBatch {
  readonly size: number;
  /** No later ticket can join it: it is full, or a ticket of another round follows. */
  readonly isClosed: boolean;
}

/** Returns the batch that starts with the oldest ticket: at most `groupsPerBatch` of one round. */
export function headBatch(queue: readonly PromptTicket[], groupsPerBatch: number): HeadBatch {
  const nextRound = queue.findIndex(({ round }) => round !== queue[0]?.round);
  const size = Math.min(nextRound === -1 ? queue.length : nextRound, groupsPerBatch);
  return { size, isClosed: size === groupsPerBatch || nextRound !== -1 };
}
