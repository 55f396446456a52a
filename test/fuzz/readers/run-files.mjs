/** @file What a run of two rounds leaves in its directory. */

const stage = (round) => ({
  kind: 'round',
  time: `2026-01-01T00:00:0${round}.000Z`,
  round,
  firstStep: 2,
  numSteps: 4,
  trainedSteps: [2, 3],
  policyVersion: round + 1,
  rewardMean: 0.25,
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
  clipFractionByStep: [0, 0, 0.1, 0.2],
  approxKl: 1e-6,
  maxRatioDeviation: 2e-7,
  meanRatioDeviation: 0.01,
  klToPretrained: null,
  valueLoss: null,
  learningRateScale: 1,
  gradNorm: 0.8,
  gradNormByStep: [null, null, 0.1, 0.2],
  rewardQueries: 128 * (round + 1),
  trainerIdleShare: 0.5,
  elapsedSeconds: 10 * (round + 1),
  eventLoopDelayP99Ms: 11,
  peakRssBytes: 600e6,
});

const list = (prompts) => ({
  prompts,
  images: 8 * prompts,
  rewardMean: 0.3,
  verifiedAlignment: 0.4,
  verifierScore: 0.7,
  diversity: 0.5,
});

export const evaluation = (round) => ({
  policyVersion: round,
  round,
  train: list(64),
  heldOut: list(32),
  seconds: 5,
});

/** Lines of metrics.jsonl. */
export const metrics = [
  { kind: 'evaluation', time: '2026-01-01T00:00:00.000Z', ...evaluation(0) },
  stage(0),
  stage(1),
  { kind: 'evaluation', time: '2026-01-01T00:00:09.000Z', ...evaluation(2) },
  {
    kind: 'alarm',
    time: '2026-01-01T00:00:09.000Z',
    guard: 'ratioDrift',
    action: 'warn',
    value: 0.5,
    threshold: 0.05,
    round: 2,
    message: 'guard ratioDrift after 2 rounds: as in a test',
  },
];

/** The content of state.json. */
export const state = {
  history: { rounds: [[{ prompt: 'a red circle', rewards: [0.1, 0.2] }], []] },
  rewardQueries: 256,
  base: evaluation(0),
  positions: { images: { 0: '12' } },
};

const point = (round) => ({
  round,
  rewardQueries: 128 * round,
  elapsedSeconds: 10 * round,
  train: { prompts: 72, images: 864, verifiedAlignment: 0.35, rewardMean: 0.03, diversity: 0.78 },
  heldOut: { prompts: 36, images: 432, verifiedAlignment: 0.27, rewardMean: 0.05, diversity: 0.77 },
});

/** The content of a study's results.json. */
export const results = {
  version: 2,
  study: 'shapes',
  runs: [
    {
      row: 'ddpo',
      seed: 1,
      fingerprint: 'f',
      machine: null,
      points: [point(0), point(2)],
      rounds: [
        {
          round: 0,
          groups: 32,
          selectedSamples: 40,
          zeroSpreadGroups: 4,
          intraGroupCorrelation: null,
          gradNorm: 0.8,
          gradNormByStep: [null, 0.1],
          clipFraction: 0.2,
          klToPretrained: null,
        },
      ],
    },
  ],
  failures: [{ row: 'ddpo', seed: 2, fingerprint: 'f', failure: 'none' }],
};
