import type { PartialRound, Progress } from '../../messages/messages.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';
import { sharedConfig } from './shared-config.js';
import { stageOf } from './stage-of.js';

interface ProgressState {
  /** Nothing more will be trained. Default: no. */
  readonly isOver?: boolean;
  /** The next round is closed too, and takes no more groups. Default: no. */
  readonly isNextClosed?: boolean;
  /** Position of the schedule. Default: the round. */
  readonly position?: number;
  /** SHA-256 of the training prompts of the trainer's file. */
  readonly trainPrompts?: string | undefined;
  /** Rounds that lack some of their groups. */
  readonly partialRounds?: readonly PartialRound[] | undefined;
}

/** Returns the progress of a run that has finished `round` rounds. */
export function progressAt(
  config: ResolvedConfig,
  round: number,
  {
    isOver = false,
    isNextClosed = false,
    position = round,
    trainPrompts,
    partialRounds = [],
  }: ProgressState = {},
): Progress {
  const { groupsPerRound } = stageOf(config, 'prompts');
  return {
    finishedGroups: (round + (isNextClosed ? 1 : 0)) * groupsPerRound,
    round,
    isOver,
    sharedConfig: sharedConfig(config),
    ...(position !== round && { schedulePosition: position }),
    ...(trainPrompts !== undefined && { trainPrompts }),
    ...(partialRounds.length > 0 && { partialRounds }),
  };
}
