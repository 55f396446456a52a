import type { PromptTicket } from './records/records.js';

/** The batch at the head of a queue of tickets. */
export interface HeadBatch {
  readonly size: number;
  /** No later ticket can join it: it is full, or a ticket of another training stage follows. */
  readonly isClosed: boolean;
}

/** Returns the batch that starts with the oldest ticket: at most `groupsPerBatch` of one training stage. */
export function headBatch(queue: readonly PromptTicket[], groupsPerBatch: number): HeadBatch {
  const nextStage = queue.findIndex(({ trainingStage }) => trainingStage !== queue[0]?.trainingStage);
  const size = Math.min(nextStage === -1 ? queue.length : nextStage, groupsPerBatch);
  return { size, isClosed: size === groupsPerBatch || nextStage !== -1 };
}
