import fc from 'fast-check';

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
const positive = fc.double({ min: 1e-9, max: 1e9, noNaN: true });
const nonNegative = fc.double({ min: 0, max: 1e9, noNaN: true });
const count = (max: number) => fc.integer({ min: 1, max });
const path = fc.stringMatching(/^[ -~]{1,12}$/);

/** Sizes that fit each other, from which the rest of a config follows. */
const sizes = fc
  .record({
    groupsPerBatch: count(8),
    batchesPerStage: count(4),
    maxStaleness: fc.integer({ min: 0, max: 3 }),
    runAheadStages: fc.integer({ min: 1, max: 4 }),
    numInferenceSteps: fc.integer({ min: 2, max: 60 }),
    numStages: count(40),
    samplesPerUpdate: count(16),
    minibatchSize: count(16),
  })
  .filter(
    (s) =>
      s.runAheadStages <= 1 + s.maxStaleness && s.samplesPerUpdate <= s.groupsPerBatch * s.batchesPerStage,
  );

const schedule = (numInferenceSteps: number, numStages: number) => {
  const type = fc.constant('intervalSchedule');
  const steps = count(numInferenceSteps);
  return fc.oneof(
    fc
      .tuple(steps, steps)
      .map((pair) => pair.sort((a, b) => a - b))
      .chain(([first, last]) =>
        fc.record({
          type,
          mode: fc.constant('floor-linear'),
          first: fc.constant(first),
          last: fc.constant(last),
        }),
      ),
    fc.record({ type, mode: fc.constant('constant'), steps }),
    fc.record({
      type,
      mode: fc.constant('list'),
      stages: fc.array(steps, { minLength: 1, maxLength: Math.min(numStages, 6) }),
    }),
  );
};

const type = fc.constant('groupAdvantages');
const historyStages = fc.integer({ min: 0, max: 20 });
const threshold = fc.double({ min: -9, max: 9, noNaN: true });

const comparingRule = fc.oneof(
  fc.tuple(threshold, threshold).chain((pair) =>
    fc.record({
      type,
      rule: fc.constant('history'),
      historyStages,
      bestThreshold: fc.constant(Math.max(...pair)),
      worstThreshold: fc.constant(Math.min(...pair)),
      stdFloor: nonNegative,
    }),
  ),
  fc.record({
    type,
    rule: fc.constant('branch-centred'),
    minGap: nonNegative,
    keep: fc.constantFrom('extremes', 'all'),
    historyStages,
    stdFloor: nonNegative,
  }),
);

const perPromptRule = count(64).chain((bufferSize) =>
  fc.record({
    type,
    rule: fc.constant('per-prompt'),
    bufferSize: fc.constant(bufferSize),
    minCount: count(bufferSize),
    stdFloor: nonNegative,
  }),
);

const branchesAndRule = fc.oneof(
  fc.tuple(fc.integer({ min: 2, max: 9 }), comparingRule),
  fc.tuple(count(9), perPromptRule),
);

/** Whole configs, every field written out, that lint must pass. */
export const validConfig = sizes.chain((s) =>
  fc.record({
    name,
    seed: fc.integer({ min: 0, max: 0xffffffff }),
    model: fc.record({
      pipeline: path,
      lora: fc.record({
        pattern: fc.constantFrom('attn[12]/to_(q|k|v|out\\.0)', 'to_q$', '.*'),
        rank: count(64),
        alpha: positive,
      }),
    }),
    engine: fc.record({
      providers: fc.array(fc.constantFrom('cpu', 'webgpu', 'cuda'), { minLength: 1, maxLength: 3 }),
      threads: count(16),
    }),
    transport: fc.record({
      kind: fc.constant('in-process'),
      capacity: count(1000),
      maxAttempts: count(9),
    }),
    topics: fc
      .uniqueArray(name, { minLength: 10, maxLength: 10 })
      .map(
        ([
          prompts,
          images,
          trajectories,
          rewards,
          batches,
          schedule,
          policy,
          progress,
          metrics,
          letters,
        ]) => ({
          prompts,
          images,
          trajectories,
          rewards,
          batches,
          schedule,
          policy,
          progress,
          metrics,
          'dead-letters': letters,
        }),
      ),
    stages: fc
      .tuple(branchesAndRule, schedule(s.numInferenceSteps, s.numStages), path, nonNegative)
      .map(([[numBranches, advantages], schedule, file, guidanceScale]) => ({
        prompts: {
          type: 'prompts',
          train: file,
          heldOut: file,
          choice: 'round-robin',
          groupsPerStage: s.groupsPerBatch * s.batchesPerStage,
          numStages: s.numStages,
          runAhead: s.groupsPerBatch * s.batchesPerStage * s.runAheadStages,
        },
        schedule,
        sampler: {
          type: 'branchRollouts',
          numInferenceSteps: s.numInferenceSteps,
          guidanceScale: guidanceScale / 1e7,
          eta: 0.5,
          numBranches,
          groupsPerBatch: s.groupsPerBatch,
          lingerMs: 50,
          latentsDtype: 'float16',
        },
        rewards: { type: 'scoreRewards', model: file, batchSize: 3 },
        advantages,
        trainer: {
          type: 'gradientSteps',
          surrogate: 'ddpo-is',
          clipRange: 0.2,
          advClipMax: 10,
          stepWeighting: 'variance',
          innerEpochs: 2,
          samplesPerUpdate: s.samplesPerUpdate,
          minibatchSize: s.minibatchSize,
          maxStaleness: s.maxStaleness,
          learningRate: 1e-5,
          learningRateSchedule: 'linear',
          loraPlusRatio: 16,
          adamBeta1: 0.5,
          adamBeta2: 0.75,
          adamEpsilon: 1e-7,
          weightDecay: 0,
          maxGradNorm: 2,
        },
      })),
    evaluation: fc.record({
      everyStages: count(9),
      trainPrompts: count(9),
      heldOutPrompts: count(9),
      imagesPerPrompt: count(9),
      verifier: fc.constantFrom('shapes', 'none'),
      seed: count(9),
    }),
    checkpoints: fc.record({ everyStages: count(9), keep: count(9) }),
  }),
);
