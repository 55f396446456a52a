import { normalize } from 'node:path';
import fc from 'fast-check';
import { createSurrogate } from '../../../src/models/objectives/index.js';
import { allowsStale } from '../../../src/models/objectives/surrogate.js';
import { stageOf } from '../../../src/streams/config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../../src/streams/config/schema/topology-schema.js';
import { CONFIG_VERSION } from '../../../src/streams/config/source/version.js';
import { TOPIC_NAMES } from '../../../src/streams/messages/topics.js';
import { count, nonNegative, positive, share } from './arbitraries/numbers.js';
import { rollouts, type Sizes } from './arbitraries/rollouts.js';
import { goldReward, scoring } from './arbitraries/scoring.js';

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
/** As lint writes it: a doubled slash or a dot between slashes would not come back. */
const path = fc.stringMatching(/^[ -~]{1,12}$/).filter((text) => normalize(text) === text);

/** Sizes that fit each other, from which the rest of a config follows. */
const sizes = fc
  .record({
    groupsPerBatch: count(8),
    batchesPerRound: count(4),
    maxStaleness: fc.integer({ min: 0, max: 3 }),
    runAheadRounds: fc.integer({ min: 1, max: 4 }),
    numInferenceSteps: fc.integer({ min: 2, max: 60 }),
    numRounds: count(40),
    samplesPerUpdate: count(16),
  })
  .filter(
    (s) =>
      s.runAheadRounds <= 1 + s.maxStaleness && s.samplesPerUpdate <= s.groupsPerBatch * s.batchesPerRound,
  )
  .map((s) => ({ ...s, groupsPerRound: s.groupsPerBatch * s.batchesPerRound }));

const guard = fc.record({
  threshold: nonNegative,
  action: fc.constantFrom('off', 'warn', 'lower-learning-rate', 'stop'),
});

const trust = { caFile: path, serverName: name };

const tls = fc.oneof(
  fc.constant({ mode: 'none' as const }),
  fc.record({ mode: fc.constant('server' as const), ...trust }, { requiredKeys: ['mode'] }),
  fc.record(
    { mode: fc.constant('mutual' as const), certFile: path, keyFile: path, ...trust },
    { requiredKeys: ['mode', 'certFile', 'keyFile'] },
  ),
);

const payloads = fc.oneof(
  fc.record({ type: fc.constant('folder' as const), folder: path }),
  fc.record({
    type: fc.constant('s3' as const),
    endpoint: fc.constantFrom('http://127.0.0.1:9000', 'https://s3.eu-central-1.amazonaws.com'),
    region: fc.constantFrom('us-east-1', 'auto'),
    bucket: fc.constantFrom('tributary', 'my.bucket-1'),
    keyPrefix: fc.constantFrom('payloads', 'runs/shapes_1.2'),
  }),
);

const kafka = fc.record(
  {
    brokers: fc.array(fc.constantFrom('localhost:9092', 'kafka-1.example.org:19092'), {
      minLength: 1,
      maxLength: 3,
    }),
    tls,
    sasl: fc.record({ mechanism: fc.constantFrom('none', 'plain', 'scram-sha-256', 'scram-sha-512') }),
    prefix: name,
    partitions: count(64),
    replicationFactor: count(3),
    retentionHours: count(1000),
    maxInlineBytes: fc.integer({ min: 1024, max: 900_000 }),
    maxBatchBytes: fc.integer({ min: 1024, max: 8_000_000 }),
    maxPayloadBytes: fc.integer({ min: 1_000_000, max: 1_000_000_000 }),
    payloads,
  },
  {
    requiredKeys: [
      'brokers',
      'tls',
      'sasl',
      'partitions',
      'retentionHours',
      'maxInlineBytes',
      'maxBatchBytes',
      'maxPayloadBytes',
      'payloads',
    ],
  },
);

const promptSource = fc.oneof(
  fc.constant({ from: 'file' as const }),
  fc.record(
    {
      from: fc.constant('topic' as const),
      maxWaiting: count(1_000_000),
      http: fc.record({
        host: fc.constantFrom('127.0.0.1', '::', 'prompts.example.org'),
        port: fc.nat(65_535),
      }),
    },
    { requiredKeys: ['from', 'maxWaiting'] },
  ),
);

/** Takes back what the surrogate cannot have: guidance, staleness, another sampler than the policy; and what nothing reads. */
function fitted(config: ResolvedConfig): ResolvedConfig {
  const [prompts, sampler, trainer] = [
    stageOf(config, 'prompts'),
    stageOf(config, 'sampler'),
    stageOf(config, 'trainer'),
  ];
  const surrogate = createSurrogate(trainer.surrogate);
  const { trainsOn, references } = surrogate;
  const isDenoising = trainsOn === 'denoising';
  const readsOld = references.includes('old');
  const isFresh = (readsOld && !allowsStale(surrogate)) || trainer.surrogate.type === 'ddpo-sf';
  const { stages, guards, engine } = config;
  const isTaped = engine.trainer === 'tfjs' && engine.tfjs.gradients === 'tape';
  const isOnTfjs = [config.engine.sampler, config.engine.trainer].includes('tfjs');
  return {
    ...config,
    model: isOnTfjs ? { ...config.model, precision: 'float32' } : config.model,
    guards: isDenoising ? { ...guards, klToPretrained: { ...guards.klToPretrained, action: 'off' } } : guards,
    stages: {
      ...stages,
      prompts: { ...without(prompts), runAhead: isFresh ? prompts.groupsPerRound : prompts.runAhead },
      sampler: {
        ...without(sampler),
        guidanceScale: isDenoising ? 1 : sampler.guidanceScale,
        sampleFrom: isDenoising && !readsOld ? 'pretrained' : 'policy',
      },
      trainer: {
        ...without(trainer),
        maxStaleness: isFresh ? 0 : trainer.maxStaleness,
        gradientCheckpointing: isTaped ? 'off' : trainer.gradientCheckpointing,
        loraPlusRatio: config.model.train === 'full' ? 1 : trainer.loraPlusRatio,
        samplingPolicyDecay: isDenoising ? trainer.samplingPolicyDecay : 0,
      },
    },
  };
}

/** A stage as it stands in a config: its name is its key. */
function without<Stage extends { readonly name: string }>({ name: _, ...stage }: Stage): Omit<Stage, 'name'> {
  return stage;
}

/** Whole configs, every field written out, that lint must pass. */
export const validConfig: fc.Arbitrary<ResolvedConfig> = sizes.chain((s) => wholeConfig(s)).map(fitted);

const wholeConfig = (
  s: Sizes & Record<'groupsPerBatch' | 'runAheadRounds' | 'maxStaleness', number>,
): fc.Arbitrary<ResolvedConfig> =>
  fc.record({
    version: fc.constant(CONFIG_VERSION),
    name,
    seed: fc.integer({ min: 0, max: 0xffffffff }),
    model: fc.record({
      pipeline: path,
      train: fc.constantFrom('adapter', 'full'),
      lora: fc.record({
        pattern: fc.constantFrom('attn[12]/to_(q|k|v|out\\.0)', 'to_q$', '.*'),
        rank: count(64),
        alpha: positive,
      }),
      precision: fc.constantFrom('float32', 'float16'),
      embeddings: fc.oneof(
        fc.array(path, { maxLength: 2 }),
        fc.dictionary(name, path, { maxKeys: 2, noNullPrototype: true }),
      ),
    }),
    engine: fc.record({
      sampler: fc.constantFrom('onnxruntime', 'tfjs'),
      trainer: fc.constantFrom('onnxruntime', 'tfjs'),
      providers: fc.array(fc.constantFrom('cpu', 'webgpu', 'cuda'), { minLength: 1, maxLength: 3 }),
      threads: count(16),
      tfjs: fc.record({
        backends: fc.array(fc.constantFrom('node-gpu', 'node', 'wasm', 'cpu'), {
          minLength: 1,
          maxLength: 4,
        }),
        gradients: fc.constantFrom('tape', 'graph'),
      }),
    }),
    transport: fc.record({
      kind: fc.constantFrom('in-process', 'kafka'),
      capacity: count(1000),
      maxAttempts: count(9),
      kafka,
    }),
    topics: fc
      .uniqueArray(name, { minLength: TOPIC_NAMES.length, maxLength: TOPIC_NAMES.length })
      .map(
        (names) =>
          Object.fromEntries(
            TOPIC_NAMES.map((topic, index) => [topic, names[index]]),
          ) as ResolvedConfig['topics'],
      ),
    stages: fc
      .tuple(rollouts(s), path, nonNegative, share, scoring, promptSource)
      .map(
        ([
          { tree, stochasticSteps, schedule, advantages, training },
          file,
          guidanceScale,
          decay,
          rewards,
          source,
        ]) => ({
          prompts: {
            type: 'prompts' as const,
            train: file,
            heldOut: file,
            source,
            choice: 'round-robin' as const,
            groupsPerRound: s.groupsPerRound,
            numRounds: s.numRounds,
            runAhead: s.groupsPerRound * s.runAheadRounds,
          },
          schedule,
          sampler: {
            type: 'sampler' as const,
            numInferenceSteps: s.numInferenceSteps,
            guidanceScale: guidanceScale / 1e7,
            eta: 0.5,
            ...tree,
            stochasticSteps,
            sde: 'dance-grpo' as const,
            logProb: 'gaussian' as const,
            sampleFrom: 'pretrained' as const,
            groupsPerBatch: s.groupsPerBatch,
            lingerMs: 50,
            latentsDtype: 'float16' as const,
          },
          rewards,
          advantages,
          trainer: {
            type: 'trainer' as const,
            ...training,
            stepWeighting: 'variance' as const,
            gradientCheckpointing: 'blocks' as const,
            lossScale: { initial: 1024, growthInterval: 100 },
            maxStaleness: s.maxStaleness,
            learningRate: 1e-5,
            learningRateSchedule: 'linear' as const,
            learningRateFloor: 0.125,
            loraPlusRatio: 16,
            samplingPolicyDecay: decay,
            adamBeta1: 0.5,
            adamBeta2: 0.75,
            adamEpsilon: 1e-7,
            weightDecay: 0,
            maxGradNorm: 2,
          },
        }),
      ),
    evaluation: fc.record({
      everyRounds: count(9),
      trainPrompts: count(9),
      heldOutPrompts: count(9),
      imagesPerPrompt: count(9),
      pictures: fc.constantFrom('ends', 'always'),
      verifier: fc.constantFrom('shapes', 'none'),
      gold: fc.dictionary(name, goldReward, { maxKeys: 2, noNullPrototype: true }),
      eta: fc.double({ min: 0, max: 2, noNaN: true }),
      seed: count(9),
    }),
    guards: fc.record({
      rewardCollapse: guard,
      ratioDrift: guard,
      klToPretrained: guard,
      zeroSpreadGroups: guard,
      diversityLoss: guard,
      rewardVerifierDivergence: guard,
      goldFall: guard,
      pictureDrift: guard,
    }),
    promotion: fc.record({
      action: fc.constantFrom('off' as const, 'roll-back' as const),
      prompts: count(9),
      maxLogProbDifference: fc.double({ min: 0.001, max: 1, noNaN: true }),
      maxRewardFall: fc.double({ min: 0.1, max: 9, noNaN: true }),
    }),
    checkpoints: fc.record({ everyRounds: count(9), keep: count(9) }),
  });
