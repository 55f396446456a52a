import type { Say } from '../work/open-thread.js';

export interface PassedOver {
  /** A reward, or trajectories, of a group that had some before, or was lost. */
  repeated(): void;
  /** The same, of a round that is trained. */
  late(): void;
  /** Says what was counted since the round before; nothing where nothing was. */
  tell(round: number): void;
}

/** Counts what comes to the trainer and is of no use to it, which delivery at least once and other writers bring. */
export function countPassedOver(say: Say): PassedOver {
  let repeated = 0;
  let late = 0;
  return {
    repeated: () => {
      repeated += 1;
    },
    late: () => {
      late += 1;
    },
    tell(round) {
      if (repeated + late > 0) say({ kind: 'passed-over', round, repeated, late });
      repeated = 0;
      late = 0;
    },
  };
}
