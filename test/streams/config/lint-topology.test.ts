import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { SMALLEST, withLine } from './valid-config.js';

const messagesOf = (text: string, overrides: string[] = []) =>
  lintTopology(text, 'a.yaml', { overrides }).faults.map(({ message }) => message);

const sampler = (fields: string) => withLine('sampler:', `sampler: { type: branchRollouts, ${fields} }`);
const prompts = (fields: string) => withLine('prompts:', `prompts: { type: prompts, ${fields} }`);
const files = 'train: t, heldOut: h';
const schedule = (fields: string) => withLine('schedule:', `schedule: { type: intervalSchedule, ${fields} }`);
const advantages = (fields: string) =>
  withLine('advantages:', `advantages: { type: groupAdvantages, ${fields} }`);
const rewards = (fields: string) => withLine('rewards:', `rewards: { type: scoreRewards, ${fields} }`);
const trainer = (fields: string) => withLine('trainer:', `trainer: { type: gradientSteps, ${fields} }`);

const BAD_CONFIGS: readonly [about: string, text: string, messages: readonly string[]][] = [
  [
    'an empty file',
    '',
    ['a.yaml:1:1 config: expected a mapping, got null. Start from one of the files under config/.'],
  ],
  [
    'a list',
    '- 1\n',
    ['a.yaml:1:1 config: expected a mapping, got a list of 1. Start from one of the files under config/.'],
  ],
  [
    'text that is not YAML',
    'name: tiny\nseed: [1\nmodel: "x\n',
    [
      'a.yaml:3:1 YAML: expected text that can be parsed, got Flow sequence in block collection must be sufficiently indented and end with a ]. Correct this line.',
      'a.yaml:4:1 YAML: expected text that can be parsed, got Missing closing "quote. Correct this line.',
    ],
  ],
  [
    'an alias of nothing',
    withLine('name:', 'name: *nobody'),
    [
      'a.yaml:1:7 YAML: expected text that can be parsed, got the alias *nobody of nothing before it. Correct this line.',
    ],
  ],
  [
    'a key that is no plain word',
    `__proto__: 1\n? [a]\n: 1\n${SMALLEST}`,
    [
      'a.yaml:1:1 YAML: expected text that can be parsed, got a key that is no plain word. Correct this line.',
      'a.yaml:2:3 YAML: expected text that can be parsed, got a key that is no plain word. Correct this line.',
    ],
  ],
  [
    'a key that stands twice',
    trainer('weightDecay: 0.1, weightDecay: 0.2'),
    [
      'a.yaml:9:53 stages.trainer.weightDecay the key: expected it once in a mapping, got it again after a.yaml:9:35. Remove one of them.',
    ],
  ],
  [
    'an unknown section',
    `${SMALLEST}evaluations: {}\n`,
    [
      'a.yaml:10:1 evaluations the key: expected one of name, seed, model, engine, transport, topics, stages, evaluation, guards, promotion, checkpoints, got "evaluations". Did you mean "evaluation"?',
    ],
  ],
  [
    'guards that are not there, and actions',
    `${SMALLEST}guards: { rewardColapse: {}, ratioDrift: { action: halt, threshold: -1 } }\n`,
    [
      'a.yaml:10:11 guards.rewardColapse the key: expected one of rewardCollapse, ratioDrift, klToPretrained, zeroSpreadGroups, diversityLoss, rewardVerifierDivergence, got "rewardColapse". Did you mean "rewardCollapse"?',
      'a.yaml:10:52 guards.ratioDrift.action: expected one of off, warn, lower-learning-rate, stop, got "halt" (string). Choose one of them.',
      'a.yaml:10:69 guards.ratioDrift.threshold: expected a number in [0, Infinity), got -1 (number). Change the value.',
    ],
  ],
  [
    'unknown keys of a stage',
    trainer('learningRaet: 0.1, colour: red'),
    [
      'a.yaml:9:35 stages.trainer.learningRaet the key: expected one of type, surrogate, stepWeighting, updates, value, minibatchSize, gradientCheckpointing, lossScale, maxStaleness, learningRate, learningRateSchedule, loraPlusRatio, samplingPolicyDecay, adamBeta1, adamBeta2, adamEpsilon, weightDecay, maxGradNorm, got "learningRaet". Did you mean "learningRate"?',
      'a.yaml:9:54 stages.trainer.colour the key: expected one of type, surrogate, stepWeighting, updates, value, minibatchSize, gradientCheckpointing, lossScale, maxStaleness, learningRate, learningRateSchedule, loraPlusRatio, samplingPolicyDecay, adamBeta1, adamBeta2, adamEpsilon, weightDecay, maxGradNorm, got "colour". Remove it.',
    ],
  ],
  [
    'an unknown stage type',
    withLine('rewards:', 'rewards: { type: scoreReward, model: m }'),
    [
      'a.yaml:7:20 stages.rewards.type: expected one of branchRollouts, gradientSteps, groupAdvantages, intervalSchedule, prompts, scoreRewards, got "scoreReward" (string). Did you mean "scoreRewards"?',
    ],
  ],
  [
    'a stage without a type',
    withLine('rewards:', 'rewards: { model: m }'),
    [
      'a.yaml:7:3 stages.rewards.type: expected one of branchRollouts, gradientSteps, groupAdvantages, intervalSchedule, prompts, scoreRewards, got nothing. Add `type`.',
    ],
  ],
  [
    'an unknown schedule mode',
    schedule('mode: liner, first: 7, last: 10'),
    [
      'a.yaml:5:45 stages.schedule.mode: expected one of floor-linear, list, constant, sparse, window, got "liner" (string). Choose one of them.',
    ],
  ],
  [
    'an unknown advantage rule',
    advantages('rule: branch-centered'),
    [
      'a.yaml:8:46 stages.advantages.rule: expected one of history, branch-centred, per-prompt, reward, group-z-score, leave-one-out, same-depth, back-propagated, got "branch-centered" (string). Did you mean "branch-centred"?',
    ],
  ],
  [
    'an unknown surrogate, and what else is wrong beside it',
    trainer('surrogate: { type: ddpo-iz, clipRange: 7 }, learningRate: 2').replace(
      'type: branchRollouts',
      'type: branchRollouts, groupsPerBatch: 5',
    ),
    [
      'a.yaml:4:3 stages.prompts.runAhead: expected a multiple of groupsPerBatch 5, got 32. Change groupsPerBatch.',
      'a.yaml:6:52 stages.sampler.groupsPerBatch: expected a divisor of groupsPerStage 32, got 5. Use 1, 2, 4, 8, 16 or 32.',
      'a.yaml:9:54 stages.trainer.surrogate.type: expected one of ddpo-is, ddpo-sf, dpok, d3po, grpo, grpo-guard, diffusion-nft, awm, reward-weighted, sft, got "ddpo-iz" (string). Did you mean "ddpo-is"?',
      'a.yaml:9:93 stages.trainer.learningRate: expected a number in (0, 1], got 2 (number). Change the value.',
    ],
  ],
  [
    'rewards from nowhere known',
    rewards('from: htp, url: http://localhost:8000'),
    [
      'a.yaml:7:40 stages.rewards.from: expected one of model, http, clip-score, aesthetic, jpeg-compressibility, jpeg-incompressibility, onnx, vlm-question, vlm-caption, module, sum, got "htp" (string). Did you mean "http"?',
    ],
  ],
  [
    'rewards of a service with settings of a model',
    rewards('from: http, model: m'),
    [
      'a.yaml:7:3 stages.rewards.url: expected an http or https URL without user, password or fragment, got nothing. Add `url`.',
      'a.yaml:7:46 stages.rewards.model the key: expected one of type, from, url, timeoutMs, batchSize, concurrency, got "model". Remove it.',
    ],
  ],
  [
    'parts of a sum that cannot be',
    rewards(
      'from: sum, parts: { a: { from: clip, model: m }, b: { from: aesthetic, std: 0 }, c: { from: sum } }',
    ),
    [
      'a.yaml:7:65 stages.rewards.parts.a.from: expected one of model, http, clip-score, aesthetic, jpeg-compressibility, jpeg-incompressibility, onnx, vlm-question, vlm-caption, module, got "clip" (string). Choose one of them.',
      'a.yaml:7:83 stages.rewards.parts.b.model: expected the folder of a CLIP ViT-L/14, got nothing. Add `model`.',
      'a.yaml:7:110 stages.rewards.parts.b.std: expected a number in (0, Infinity), got 0 (number). Change the value.',
      'a.yaml:7:126 stages.rewards.parts.c.from: expected one of model, http, clip-score, aesthetic, jpeg-compressibility, jpeg-incompressibility, onnx, vlm-question, vlm-caption, module, got "sum" (string). Choose one of them.',
    ],
  ],
  [
    'inputs of a reward model without a picture',
    rewards('from: onnx, model: m, inputs: { ids: { from: token-ids, tokenizer: t } }'),
    [
      'a.yaml:7:64 stages.rewards.inputs: expected a mapping with an input from: image, got a mapping. Change the value.',
    ],
  ],
  ...['ftp://host/score', 'localhost:8000/score', 'http://me:pass@host/score', 'http://host/score#a'].map(
    (url): (typeof BAD_CONFIGS)[number] => [
      `the address ${url} of a service`,
      rewards(`from: http, url: "${url}"`),
      [
        `a.yaml:7:51 stages.rewards.url: expected an http or https URL without user, password or fragment, got "${url}" (string). Change the value.`,
      ],
    ],
  ),
  [
    'a surrogate without a type',
    trainer('surrogate: { clipRange: 0.1 }'),
    [
      'a.yaml:9:35 stages.trainer.surrogate.type: expected one of ddpo-is, ddpo-sf, dpok, d3po, grpo, grpo-guard, diffusion-nft, awm, reward-weighted, sft, got nothing. Add `type`.',
    ],
  ],
  [
    'a surrogate that is no mapping',
    trainer('surrogate: ddpo-is'),
    ['a.yaml:9:46 stages.trainer.surrogate: expected a mapping, got "ddpo-is" (string). Change the value.'],
  ],
  [
    'settings of another surrogate',
    trainer('surrogate: { type: d3po, advClipMax: 5 }'),
    [
      'a.yaml:9:60 stages.trainer.surrogate.advClipMax the key: expected one of type, preferenceBeta, clipRange, got "advClipMax". Remove it.',
    ],
  ],
  [
    'settings of updates from elsewhere',
    trainer('updates: { from: replay, innerEpochs: 2 }'),
    [
      'a.yaml:9:60 stages.trainer.updates.innerEpochs the key: expected one of from, capacity, updatesPerStage, transitionsPerUpdate, got "innerEpochs". Remove it.',
    ],
  ],
  [
    'updates that do not say of what',
    trainer('updates: { samplesPerUpdate: 16 }'),
    ['a.yaml:9:35 stages.trainer.updates.from: expected one of stage, replay, got nothing. Add `from`.'],
  ],
  [
    'an unknown baseline',
    trainer('value: { type: nettwork }'),
    [
      'a.yaml:9:50 stages.trainer.value.type: expected one of none, network, got "nettwork" (string). Did you mean "network"?',
    ],
  ],
  [
    'an unknown fork plan, and a fork at half a step',
    sampler('forkPlan: step, forkSteps: [1.5]'),
    [
      'a.yaml:6:46 stages.sampler.forkPlan: expected one of interval, independent, steps, trained-steps, got "step" (string). Did you mean "steps"?',
      'a.yaml:6:64 stages.sampler.forkSteps[0]: expected an integer from 0 to 999, got 1.5 (number). Change the value.',
    ],
  ],
  [
    'wrong types',
    trainer(
      'surrogate: { type: ddpo-is, clipRange: "0.2" }, updates: { from: stage, innerEpochs: 1.5 }, learningRate: [1], maxGradNorm: .inf',
    ),
    [
      'a.yaml:9:74 stages.trainer.surrogate.clipRange: expected a number in (0, 1), got "0.2" (string). Remove the quotes.',
      'a.yaml:9:120 stages.trainer.updates.innerEpochs: expected an integer from 1 to 1000, got 1.5 (number). Change the value.',
      'a.yaml:9:141 stages.trainer.learningRate: expected a number in (0, 1], got a list of 1. Change the value.',
      'a.yaml:9:159 stages.trainer.maxGradNorm: expected a number in (0, Infinity), got Infinity (number). Change the value.',
    ],
  ],
  [
    'text that YAML reads as a number, and a pattern that does not compile',
    `${withLine('name:', 'name: 7').replace('{ pipeline: models/shapes }', '{ pipeline: p, lora: { pattern: "(" } }')}seed: null\n`,
    [
      'a.yaml:1:7 name: expected a name of letters, digits and hyphens, a letter first, got 7 (number). Put it in quotes.',
      'a.yaml:2:40 model.lora.pattern: expected a regular expression, got "(" (string). Change the value.',
      'a.yaml:10:7 seed: expected an integer from 0 to 4294967295, got null. Write a value, or remove the key where it has a default.',
    ],
  ],
  [
    'values out of range',
    `${sampler('eta: 0, numInferenceSteps: 1')}engine: { providers: [], threads: 0 }\n`,
    [
      'a.yaml:6:41 stages.sampler.eta: expected a number in (0, 2], got 0 (number). Change the value.',
      'a.yaml:6:63 stages.sampler.numInferenceSteps: expected an integer from 2 to 1000, got 1 (number). Change the value.',
      'a.yaml:10:22 engine.providers: expected a list of at least one provider, got a list of 0. Change the value.',
      'a.yaml:10:35 engine.threads: expected an integer from 1 to 1024, got 0 (number). Change the value.',
    ],
  ],
  [
    'a provider that nobody knows',
    `${SMALLEST}engine: { providers: [cpu, webgl] }\n`,
    [
      'a.yaml:10:28 engine.providers[1]: expected one of cpu, webgpu, cuda, got "webgl" (string). Did you mean "webgpu"?',
    ],
  ],
  [
    'required keys that are missing',
    withLine('prompts:', 'prompts: { type: prompts, train: t }').replace(/^model.*\n/m, ''),
    [
      'a.yaml:1:1 model: expected a mapping, got nothing. Add `model`.',
      'a.yaml:3:3 stages.prompts.heldOut: expected the path of a prompt file, got nothing. Add `heldOut`.',
    ],
  ],
  [
    'a stage name that is no name',
    SMALLEST.replace('  sampler:', '  the sampler:'),
    [
      'a.yaml:6:3 stages.the sampler the key: expected a stage name of letters, digits and hyphens, a letter first, got "the sampler" (string). Rename it.',
    ],
  ],
  [
    'no stages at all',
    'name: tiny\nmodel: { pipeline: p }\nstages: {}\n',
    [
      'a.yaml:3:9 stages: expected a mapping with one stage of each type, got an empty mapping. Change the value.',
    ],
  ],
  [
    'batches that do not divide a stage',
    sampler('groupsPerBatch: 5'),
    [
      'a.yaml:4:3 stages.prompts.runAhead: expected a multiple of groupsPerBatch 5, got 32. Change groupsPerBatch.',
      'a.yaml:6:52 stages.sampler.groupsPerBatch: expected a divisor of groupsPerStage 32, got 5. Use 1, 2, 4, 8, 16 or 32.',
    ],
  ],
  [
    'fewer groups in flight than a stage has',
    prompts(`${files}, groupsPerStage: 64, runAhead: 48`),
    [
      'a.yaml:4:81 stages.prompts.runAhead: expected at least groupsPerStage 64, got 48. Use 64: with fewer in flight no training stage can fill.',
    ],
  ],
  [
    'more groups in flight than staleness allows',
    prompts(`${files}, runAhead: 64`),
    [
      'a.yaml:4:61 stages.prompts.runAhead: expected at most groupsPerStage x (1 + maxStaleness) = 32, got 64. Use 32 or raise maxStaleness: groups that far ahead would be too old to train on.',
    ],
  ],
  [
    'groups in flight that fill no whole batch',
    prompts(`${files}, runAhead: 60`).replace('gradientSteps', 'gradientSteps, maxStaleness: 1'),
    ['a.yaml:4:61 stages.prompts.runAhead: expected a multiple of groupsPerBatch 8, got 60. Use 56 or 64.'],
  ],
  [
    'an empty list',
    schedule('mode: list, stages: []'),
    [
      'a.yaml:5:59 stages.schedule.stages: expected a list of at least one integer, got a list of 0. Change the value.',
    ],
  ],
  [
    'two stages of one type',
    withLine(
      'rewards:',
      'rewards: { type: scoreRewards, model: m }\n  judge: { type: scoreRewards, model: n }',
    ),
    [
      'a.yaml:8:18 stages.judge.type: expected one stage of type scoreRewards, got a second beside "rewards". Remove one of them.',
    ],
  ],
  [
    'a topic without writer and one without reader',
    withLine('rewards:', ''),
    [
      'a.yaml:6:12 stages.sampler: expected its topic "images" (group images) to be read by a stage, got no reader. Add a stage of type scoreRewards.',
      'a.yaml:7:15 stages.advantages: expected its topic "rewards" (group rewards) to be written by a stage, got no writer. Add a stage of type scoreRewards.',
    ],
  ],
  [
    'one name for two topics',
    `${SMALLEST}topics: { rewards: images }\n`,
    [
      'a.yaml:10:20 topics.rewards: expected a name of its own for its group rewards messages, got "images", which carries the group images messages of "images". Choose another name.',
    ],
  ],
  [
    'faults of every sort, all at once',
    sampler('numBranches: 1, groupsPerBatch: 5, eta: 3')
      .replace('name: tiny', 'nmae: tiny')
      .replace('type: gradientSteps', 'type: gradientSteps, learningRate: yes'),
    [
      'a.yaml:1:1 nmae the key: expected one of name, seed, model, engine, transport, topics, stages, evaluation, guards, promotion, checkpoints, got "nmae". Did you mean "name"?',
      'a.yaml:1:1 name: expected a name of letters, digits and hyphens, a letter first, got nothing. Add `name`.',
      'a.yaml:4:3 stages.prompts.runAhead: expected a multiple of groupsPerBatch 5, got 32. Change groupsPerBatch.',
      'a.yaml:6:49 stages.sampler.numBranches: expected at least 2 for the rule branch-centred, which compares the branches of a group, got 1. Raise it, or set stages.advantages.rule: per-prompt.',
      'a.yaml:6:68 stages.sampler.groupsPerBatch: expected a divisor of groupsPerStage 32, got 5. Use 1, 2, 4, 8, 16 or 32.',
      'a.yaml:6:76 stages.sampler.eta: expected a number in (0, 2], got 3 (number). Change the value.',
      'a.yaml:9:49 stages.trainer.learningRate: expected a number in (0, 1], got "yes" (string). Change the value.',
    ],
  ],
  [
    'no contradiction with a value that is at fault itself',
    sampler('groupsPerBatch: "5"').replace(
      'type: prompts,',
      'type: prompts, groupsPerStage: 30, runAhead: 30,',
    ),
    [
      'a.yaml:6:52 stages.sampler.groupsPerBatch: expected an integer from 1 to 100000, got "5" (string). Remove the quotes.',
    ],
  ],
];

describe('lintTopology', () => {
  it.each(BAD_CONFIGS)('should report %s', (_, text, messages) => {
    const result = lintTopology(text, 'a.yaml');
    expect(result.faults.map(({ message }) => message).sort()).toEqual([...messages].sort());
    expect(result.config).toBeUndefined();
  });

  it('should report faults in the order of the text', () => {
    for (const [, text] of BAD_CONFIGS) {
      const orders = lintTopology(text, 'a.yaml').faults.map(({ place }) => place.order);
      expect(orders).toEqual([...orders].sort((a, b) => a - b));
    }
  });

  it('should fill in every default', () => {
    const { config, faults } = lintTopology(SMALLEST, 'a.yaml');
    expect(faults).toEqual([]);
    expect(config).toMatchObject({
      name: 'tiny',
      seed: 7,
      model: { train: 'adapter', precision: 'float32', lora: { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: 4, alpha: 4 } },
      engine: {
        sampler: 'onnxruntime',
        trainer: 'onnxruntime',
        providers: ['cpu'],
        threads: 2,
        tfjs: { backends: ['node-gpu', 'node', 'wasm', 'cpu'], gradients: 'tape' },
      },
      transport: { kind: 'in-process', capacity: 64, maxAttempts: 3 },
      topics: { prompts: 'prompts', 'dead-letters': 'dead-letters' },
      stages: {
        prompts: { choice: 'uniform', groupsPerStage: 32, numStages: 24, runAhead: 32 },
        advantages: { minGap: 0.5, keep: 'extremes', historyStages: 8, stdFloor: 0 },
        sampler: {
          forkPlan: 'interval',
          forkSteps: [],
          stochasticSteps: 'all',
          sde: 'flow-grpo',
          sampleFrom: 'policy',
        },
        trainer: {
          surrogate: { type: 'ddpo-is', clipRange: 1e-4, advClipMax: 5 },
          updates: { from: 'stage', innerEpochs: 1, samplesPerUpdate: 32 },
          value: { type: 'none' },
          samplingPolicyDecay: 0,
          maxStaleness: 0,
          learningRate: 3e-4,
        },
      },
      evaluation: { everyStages: 8, seed: 1234, eta: 1 },
      guards: {
        rewardCollapse: { threshold: 1, action: 'warn' },
        ratioDrift: { threshold: 0.05, action: 'warn' },
        klToPretrained: { threshold: 10, action: 'off' },
        zeroSpreadGroups: { threshold: 0.9, action: 'warn' },
        diversityLoss: { threshold: 0.25, action: 'warn' },
        rewardVerifierDivergence: { threshold: 0.05, action: 'warn' },
      },
      checkpoints: { everyStages: 1, keep: 3 },
    });
  });

  it('should follow aliases to the place of the value', () => {
    const text = `${withLine('sampler:', 'sampler: { type: branchRollouts, eta: &e 3 }')}evaluation: { seed: *e }\n`;
    expect(messagesOf(text)).toEqual([
      'a.yaml:6:44 stages.sampler.eta: expected a number in (0, 2], got 3 (number). Change the value.',
    ]);
  });

  it('should lay a service over the model of another config', () => {
    const text =
      'extends: below.yaml\nstages: { rewards: { type: scoreRewards, from: http, url: "http://a" } }\n';
    const { config, faults } = lintTopology(text, 'a.yaml', { readText: () => SMALLEST });
    expect(faults).toEqual([]);
    const http = { from: 'http', url: 'http://a', timeoutMs: 60_000, batchSize: 32, concurrency: 1 };
    expect(config?.stages.rewards).toEqual({ type: 'scoreRewards', ...http });
  });

  describe('with overrides', () => {
    it('should lay them over the file, later ones over earlier ones', () => {
      const { config } = lintTopology(SMALLEST, 'a.yaml', {
        overrides: [
          'seed=11',
          'seed=12',
          'engine.providers=[webgpu, cpu]',
          'engine.providers[1]=cuda',
          'name=b',
        ],
      });
      expect(config).toMatchObject({ name: 'b', seed: 12, engine: { providers: ['webgpu', 'cuda'] } });
    });

    it.each([
      [
        'stages.sampler.eta=7',
        '--set stages.sampler.eta=7 stages.sampler.eta: expected a number in (0, 2], got 7 (number). Change the value.',
      ],
      [
        'stages.samplr.eta=1',
        '--set stages.samplr.eta=1 stages.samplr.type: expected one of branchRollouts, gradientSteps, groupAdvantages, intervalSchedule, prompts, scoreRewards, got nothing. Add `type`.',
      ],
      [
        'seeed=1',
        '--set seeed=1 seeed the key: expected one of name, seed, model, engine, transport, topics, stages, evaluation, guards, promotion, checkpoints, got "seeed". Did you mean "seed"?',
      ],
      [
        'model.lora={rank: 0}',
        '--set model.lora={rank: 0} model.lora.rank: expected an integer from 1 to 1024, got 0 (number). Change the value.',
      ],
      [
        'stages.sampler.groupsPerBatch=64',
        '--set stages.sampler.groupsPerBatch=64 stages.sampler.groupsPerBatch: expected a divisor of groupsPerStage 32, got 64. Use 1, 2, 4, 8, 16 or 32.',
      ],
      [
        'seed',
        '--set seed path: expected `key.key=value`, got "seed". Name the value by its keys, joined by dots.',
      ],
      [
        'model..x=1',
        '--set model..x=1 path: expected `key.key=value`, got "model..x=1". Name the value by its keys, joined by dots.',
      ],
      [
        '__proto__.x=1',
        '--set __proto__.x=1 path: expected `key.key=value`, got "__proto__.x=1". Name the value by its keys, joined by dots.',
      ],
      [
        'seed=[1',
        '--set seed=[1 value: expected YAML, got Flow sequence must end with a ]. Quote the value.',
      ],
      [
        'seed=*x',
        '--set seed=*x value: expected YAML, got Unresolved alias (the anchor must be set before the alias): x. Quote the value.',
      ],
      ['name.x=1', '--set name.x=1 name: expected a mapping, got "tiny" (string). Set `name` as a whole.'],
      [
        'seed=',
        '--set seed= seed: expected an integer from 0 to 4294967295, got null. Write a value, or remove the key where it has a default.',
      ],
    ])('should name `--set %s` as the place of its fault', (override, message) => {
      expect(messagesOf(SMALLEST, [override])).toContain(message);
      expect(({} as Record<string, unknown>).x).toBeUndefined();
    });

    it('should name the override that has the last word', () => {
      expect(messagesOf(SMALLEST, ['seed=-1', 'engine={}', 'seed=-2'])).toEqual([
        '--set seed=-2 seed: expected an integer from 0 to 4294967295, got -2 (number). Change the value.',
      ]);
    });

    it('should only replace entries of a list that are there', () => {
      expect(messagesOf(`${SMALLEST}engine: { providers: [cpu] }\n`, ['engine.providers.3=cuda'])).toEqual([
        '--set engine.providers.3=cuda engine.providers: expected an entry of the list, got "3" in a list of 1. Set `engine.providers` as a whole.',
      ]);
    });
  });

  describe('with extends', () => {
    const lintOver = (text: string, base: string) =>
      lintTopology(text, 'config/demo.yaml', {
        readText: (path) => {
          if (path === 'config/base.yaml') return base;
          throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
        },
      });

    it('should merge mappings and replace everything else', () => {
      const base = `${schedule('mode: list, stages: [7, 8, 10]')}seed: 3\n`;
      const text =
        'extends: base.yaml\nname: demo\nstages: { schedule: { stages: [9] }, sampler: { eta: 0.5 } }\n';
      const { config, faults } = lintOver(text, base);
      expect(faults).toEqual([]);
      expect(config).toMatchObject({
        name: 'demo',
        seed: 3,
        stages: { schedule: { stages: [9] }, sampler: { type: 'branchRollouts', eta: 0.5 } },
      });
      expect(config).not.toHaveProperty('extends');
    });

    it('should replace a mapping of another variant', () => {
      const base = trainer(
        'learningRate: 0.5, surrogate: { type: ddpo-is, advClipMax: 1 }, updates: { from: stage, innerEpochs: 3 }',
      );
      const text = `extends: base.yaml
stages:
  schedule: { type: intervalSchedule, mode: window, length: 3 }
  trainer: { surrogate: { type: dpok, clipRange: 0.5 }, updates: { from: replay, capacity: 64 } }
`;
      const { config, faults } = lintOver(text, base);
      expect(faults).toEqual([]);
      expect(config?.stages.schedule).toEqual({
        type: 'intervalSchedule',
        mode: 'window',
        length: 3,
        everyStages: 1,
      });
      expect(config?.stages.trainer).toMatchObject({
        learningRate: 0.5,
        surrogate: { type: 'dpok', rewardWeight: 10, klWeight: 0.01, kl: 'eps-mse', clipRange: 0.5 },
        updates: { from: 'replay', capacity: 64, updatesPerStage: 5, transitionsPerUpdate: 32 },
      });
    });

    it('should name no place of what was replaced', () => {
      const text = 'extends: base.yaml\nstages: { schedule: { mode: constant, steps: 5 } }\n';
      const { faults } = lintOver(text, SMALLEST);
      expect(faults.map(({ message }) => message)).toEqual([
        'config/demo.yaml:2:11 stages.schedule.type: expected one of branchRollouts, gradientSteps, groupAdvantages, intervalSchedule, prompts, scoreRewards, got nothing. Add `type`.',
      ]);
    });

    it('should find each fault in the file that holds it', () => {
      const text = 'extends: base.yaml\nstages: { sampler: { eta: 3 } }\n';
      const { faults } = lintOver(text, `${SMALLEST}seed: -1\n`);
      expect(faults.map(({ message }) => message)).toEqual([
        'config/base.yaml:10:7 seed: expected an integer from 0 to 4294967295, got -1 (number). Change the value.',
        'config/demo.yaml:2:27 stages.sampler.eta: expected a number in (0, 2], got 3 (number). Change the value.',
      ]);
    });

    it.each([
      [
        'extends: gone.yaml\n',
        'config/demo.yaml:1:10 extends: expected a file that can be read, got ENOENT at config/gone.yaml. Write it relative to this file.',
      ],
      [
        'extends: 7\n',
        'config/demo.yaml:1:10 extends: expected the path of a config file, got 7 (number). Write it relative to this file.',
      ],
      [
        'extends: base.yaml\n',
        'config/base.yaml:1:10 extends: expected a file that can be read, got ENOENT at config/more.yaml. Write it relative to this file.',
      ],
    ])('should refuse a file that cannot be extended (%#)', (text, message) => {
      expect(lintOver(text, 'extends: more.yaml\n').faults.map((fault) => fault.message)).toContain(message);
    });
  });
});
