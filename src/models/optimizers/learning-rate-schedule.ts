/** How the learning rate changes over a run. */
export type LearningRateSchedule = 'constant' | 'linear';

/**
 * Returns what the learning rate is multiplied by in a training stage: 1, or with `linear` a line from 1 in the first stage
 * towards 0 after the last, so that the noise of the last updates averages out.
 */
export function learningRateFactor(
  schedule: LearningRateSchedule,
  trainingStage: number,
  numStages: number,
): number {
  return schedule === 'constant' ? 1 : 1 - trainingStage / numStages;
}
