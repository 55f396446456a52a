import type {
  Alarm,
  Evaluation,
  PromptSetEvaluation,
  RoundMetrics,
} from '../../src/streams/messages/run-events.js';

/** Figures of a stage that are told apart by its index. */
export function roundMetrics(round: number, changes: Partial<RoundMetrics> = {}): RoundMetrics {
  const trainedSteps = changes.trainedSteps ?? [3, 4, 5, 6, 7, 8, 9];
  return {
    round,
    firstStep: trainedSteps[0] ?? 0,
    numSteps: 10,
    trainedSteps,
    policyVersion: round + 1,
    rewardMean: 0.25 + round / 100,
    rewardStd: 0.1,
    verifiedAlignment: 0.5,
    verifierScore: 0.75,
    selectedSamples: 40,
    groups: 32,
    lostGroups: 0,
    staleGroups: 0,
    lateGroups: 0,
    ages: [32],
    deadLetters: 0,
    zeroSpreadGroups: 4,
    intraGroupCorrelation: 0.3,
    optimizerSteps: 2,
    policyLoss: -0.01,
    clipFraction: 0.2,
    clipFractionByStep: [0, 0, 0, 0.1, 0.2, 0.3, 0.2, 0.2, 0.2, 0.2],
    approxKl: 1e-6,
    maxRatioDeviation: 2e-7,
    meanRatioDeviation: 0.01,
    klToPretrained: null,
    valueLoss: null,
    learningRateScale: 1,
    gradNorm: 0.8,
    gradNormByStep: [null, null, null, 0.1, 0.2, 0.2, 0.3, 0.4, 0.4, 0.5],
    rewardQueries: 128 * (round + 1),
    trainerIdleShare: 0.5,
    elapsedSeconds: 10 * (round + 1),
    eventLoopDelayP99Ms: 11,
    peakRssBytes: 600e6,
    ...changes,
  };
}

const promptSet = (changes: Partial<PromptSetEvaluation>): PromptSetEvaluation => ({
  prompts: 64,
  images: 512,
  rewardMean: 0.3,
  verifiedAlignment: 0.4,
  verifierScore: 0.7,
  diversity: 0.5,
  ...changes,
});

/** An alarm after so many complete rounds. */
export function alarm(round: number, changes: Partial<Alarm> = {}): Alarm {
  return {
    guard: 'ratioDrift',
    action: 'warn',
    value: 0.5,
    threshold: 0.05,
    round,
    message: `guard ratioDrift after ${round} rounds: as in a test`,
    ...changes,
  };
}

/** An evaluation after so many complete rounds. */
export function evaluation(
  round: number,
  {
    train = {},
    heldOut = {},
    ...changes
  }: Partial<Record<'train' | 'heldOut', Partial<PromptSetEvaluation>>> &
    Omit<Partial<Evaluation>, 'train' | 'heldOut'> = {},
): Evaluation {
  return {
    policyVersion: round,
    round,
    train: promptSet(train),
    heldOut: promptSet({ prompts: 32, images: 256, ...heldOut }),
    seconds: 5,
    ...changes,
  };
}
