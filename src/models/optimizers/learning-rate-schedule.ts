/** How the learning rate changes over a run. */
export type LearningRateSchedule = 'constant' | 'linear';

/**
 * Returns what the learning rate is multiplied by in a round: 1, or with `linear` a line from 1 in the first round
 * toward 0 after the last, so that the noise of the last updates averages out.
 */
export function learningRateFactor(schedule: LearningRateSchedule, round: number, numRounds: number): number {
  return schedule === 'constant' ? 1 : 1 - round / numRounds;
}
