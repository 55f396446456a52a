import { type BadConfig, describeFaults } from './describe-faults.js';
import { advantages, reward, sampler, schedule, trainer } from './stage-lines.js';
import { SMALLEST, withLine } from './valid-config.js';

describeFaults('text that cannot be read, and words that nobody knows', [
  [
    'an empty file',
    '',
    ['a.yaml:1:1 config: expected a mapping, got null. Start from a preset, `tributary init`.'],
  ],
  [
    'a list',
    '- 1\n',
    ['a.yaml:1:1 config: expected a mapping, got a list of 1. Start from a preset, `tributary init`.'],
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
      'a.yaml:9:47 stages.trainer.weightDecay the key: expected it once in a mapping, got it again after a.yaml:9:29. Remove one of them.',
    ],
  ],
  [
    'an unknown section',
    `${SMALLEST}evaluations: {}\n`,
    [
      'a.yaml:11:1 evaluations the key: expected one of version, name, seed, model, engine, transport, topics, stages, evaluation, guards, promotion, checkpoints, telemetry, tests, got "evaluations". Did you mean "evaluation"?',
    ],
  ],
  [
    'guards that are not there, and actions',
    `${SMALLEST}guards: { rewardColapse: {}, ratioDrift: { action: halt, threshold: -1 } }\n`,
    [
      'a.yaml:11:11 guards.rewardColapse the key: expected one of rewardCollapse, ratioDrift, klToPretrained, zeroSpreadGroups, diversityLoss, rewardVerifierDivergence, goldFall, pictureDrift, own, got "rewardColapse". Did you mean "rewardCollapse"?',
      'a.yaml:11:52 guards.ratioDrift.action: expected one of off, warn, lower-learning-rate, stop, got "halt" (string). Choose one of them.',
      'a.yaml:11:69 guards.ratioDrift.threshold: expected a number in [0, Infinity), got -1 (number). Change the value.',
    ],
  ],
  [
    'unknown keys of a stage',
    trainer('learningRaet: 0.1, color: red'),
    [
      'a.yaml:9:29 stages.trainer.learningRaet the key: expected one of type, surrogate, stepWeighting, updates, minibatchSize, gradientCheckpointing, lossScale, learningRate, learningRateSchedule, learningRateFloor, loraPlusRatio, samplingPolicyDecay, emaDecay, reference, adamBeta1, adamBeta2, adamEpsilon, weightDecay, maxGradNorm, value, maxStaleness, got "learningRaet". Did you mean "learningRate"?',
      'a.yaml:9:48 stages.trainer.color the key: expected one of type, surrogate, stepWeighting, updates, minibatchSize, gradientCheckpointing, lossScale, learningRate, learningRateSchedule, learningRateFloor, loraPlusRatio, samplingPolicyDecay, emaDecay, reference, adamBeta1, adamBeta2, adamEpsilon, weightDecay, maxGradNorm, value, maxStaleness, got "color". Remove it.',
    ],
  ],
  [
    'an unknown stage type',
    withLine('reward:', 'reward: { type: rewards, model: m }'),
    [
      'a.yaml:7:19 stages.reward.type: expected one of advantages, combine, gateway, operator, prompts, reward, sampler, schedule, tap, trainer, got "rewards" (string). Did you mean "reward"?',
    ],
  ],
  [
    'a stage without a type',
    withLine('reward:', 'reward: { model: m }'),
    [
      'a.yaml:7:3 stages.reward.type: expected one of advantages, combine, gateway, operator, prompts, reward, sampler, schedule, tap, trainer, got nothing. Add `type`.',
    ],
  ],
  [
    'an unknown schedule mode',
    schedule('mode: liner, first: 7, last: 10'),
    [
      'a.yaml:5:37 stages.schedule.mode: expected one of floor-linear, list, correlation, constant, sparse, window, fraction, module, got "liner" (string). Choose one of them.',
    ],
  ],
  [
    'an unknown advantage rule',
    advantages('rule: branch-centerd'),
    [
      'a.yaml:8:41 stages.advantages.rule: expected one of history, branch-centered, per-prompt, reward, group-z-score, leave-one-out, same-depth, back-propagated, gdpo, module, got "branch-centerd" (string). Did you mean "branch-centered"?',
    ],
  ],
  [
    'an unknown surrogate, and what else is wrong beside it',
    trainer('surrogate: { type: ddpo-iz, clipRange: 7 }, learningRate: 2').replace(
      'type: sampler',
      'type: sampler, groupsPerBatch: 5',
    ),
    [
      'a.yaml:4:3 stages.prompts.runAhead: expected a multiple of groupsPerBatch 5, got 32. Change groupsPerBatch.',
      'a.yaml:6:45 stages.sampler.groupsPerBatch: expected a divisor of groupsPerRound 32, got 5. Use 1, 2, 4, 8, 16 or 32.',
      'a.yaml:9:48 stages.trainer.surrogate.type: expected one of ddpo-is, ddpo-sf, dpok, d3po, grpo, grpo-guard, diffusion-nft, diffusion-dpo, awm, reward-weighted, sft, module, got "ddpo-iz" (string). Did you mean "ddpo-is"?',
      'a.yaml:9:87 stages.trainer.learningRate: expected a number in (0, 1], got 2 (number). Change the value.',
    ],
  ],
  [
    'rewards from nowhere known',
    reward('from: htp, url: http://localhost:8000'),
    [
      'a.yaml:7:33 stages.reward.from: expected one of model, http, clip-score, aesthetic, jpeg-compressibility, jpeg-incompressibility, onnx, vlm-question, vlm-caption, vlm-judge, module, sum, topic, got "htp" (string). Did you mean "http"?',
    ],
  ],
  [
    'rewards of a service with settings of a model',
    reward('from: http, model: m'),
    [
      'a.yaml:7:3 stages.reward.url: expected an http or https URL without user, password or fragment, got nothing. Add `url`.',
      'a.yaml:7:39 stages.reward.model the key: expected one of type, role, reads, writes, from, url, timeoutMs, batchSize, form, scoreField, maxMagnitude, concurrency, got "model". Remove it.',
    ],
  ],
  [
    'parts of a sum that cannot be',
    reward(
      'from: sum, parts: { a: { from: clip, model: m }, b: { from: aesthetic, std: 0 }, c: { from: sum } }',
    ),
    [
      'a.yaml:7:58 stages.reward.parts.a.from: expected one of model, http, clip-score, aesthetic, jpeg-compressibility, jpeg-incompressibility, onnx, vlm-question, vlm-caption, vlm-judge, module, got "clip" (string). Choose one of them.',
      'a.yaml:7:76 stages.reward.parts.b.model: expected the folder of a CLIP ViT-L/14, got nothing. Add `model`.',
      'a.yaml:7:103 stages.reward.parts.b.std: expected a number in (0, Infinity), got 0 (number). Change the value.',
      'a.yaml:7:119 stages.reward.parts.c.from: expected one of model, http, clip-score, aesthetic, jpeg-compressibility, jpeg-incompressibility, onnx, vlm-question, vlm-caption, vlm-judge, module, got "sum" (string). Choose one of them.',
    ],
  ],
  [
    'inputs of a reward model without a picture',
    reward('from: onnx, model: m, inputs: { ids: { from: token-ids, tokenizer: t } }'),
    [
      'a.yaml:7:57 stages.reward.inputs: expected a mapping with an input from: image, got a mapping. Change the value.',
    ],
  ],
  ...['ftp://host/score', 'localhost:8000/score', 'http://me:pass@host/score', 'http://host/score#a'].map(
    (url): BadConfig => [
      `the address ${url} of a service`,
      reward(`from: http, url: "${url}"`),
      [
        `a.yaml:7:44 stages.reward.url: expected an http or https URL without user, password or fragment, got "${url}" (string). Change the value.`,
      ],
    ],
  ),
  [
    'a surrogate without a type',
    trainer('surrogate: { clipRange: 0.1 }'),
    [
      'a.yaml:9:29 stages.trainer.surrogate.type: expected one of ddpo-is, ddpo-sf, dpok, d3po, grpo, grpo-guard, diffusion-nft, diffusion-dpo, awm, reward-weighted, sft, module, got nothing. Add `type`.',
    ],
  ],
  [
    'a surrogate that is no mapping',
    trainer('surrogate: ddpo-is'),
    ['a.yaml:9:40 stages.trainer.surrogate: expected a mapping, got "ddpo-is" (string). Change the value.'],
  ],
  [
    'settings of another surrogate',
    trainer('surrogate: { type: d3po, advClipMax: 5 }'),
    [
      'a.yaml:9:54 stages.trainer.surrogate.advClipMax the key: expected one of type, preferenceBeta, clipRange, got "advClipMax". Remove it.',
    ],
  ],
  [
    'settings of updates from elsewhere',
    trainer('updates: { from: replay, innerEpochs: 2 }'),
    [
      'a.yaml:9:54 stages.trainer.updates.innerEpochs the key: expected one of from, capacity, updatesPerRound, transitionsPerUpdate, drawsPerUpdate, got "innerEpochs". Remove it.',
    ],
  ],
  [
    'updates that do not say of what',
    trainer('updates: { samplesPerUpdate: 16 }'),
    ['a.yaml:9:29 stages.trainer.updates.from: expected one of round, replay, got nothing. Add `from`.'],
  ],
  [
    'an unknown baseline',
    trainer('value: { type: nettwork }'),
    [
      'a.yaml:9:44 stages.trainer.value.type: expected one of none, network, got "nettwork" (string). Did you mean "network"?',
    ],
  ],
  [
    'an unknown fork plan, and a fork at half a step',
    sampler('forkPlan: step, forkSteps: [1.5]'),
    [
      'a.yaml:6:39 stages.sampler.forkPlan: expected one of interval, independent, steps, trained-steps, module, got "step" (string). Did you mean "steps"?',
      'a.yaml:6:57 stages.sampler.forkSteps[0]: expected an integer from 0 to 999, got 1.5 (number). Change the value.',
    ],
  ],
]);
