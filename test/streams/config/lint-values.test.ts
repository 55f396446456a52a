import { describeFaults } from './describe-faults.js';
import { files, prompts, sampler, schedule, trainer } from './stage-lines.js';
import { SMALLEST, withLine } from './valid-config.js';

describeFaults('values that cannot be, and those that do not fit together', [
  [
    'wrong types',
    trainer(
      'surrogate: { type: ddpo-is, clipRange: "0.2" }, updates: { from: round, innerEpochs: 1.5 }, learningRate: [1], maxGradNorm: .inf',
    ),
    [
      'a.yaml:9:68 stages.trainer.surrogate.clipRange: expected a number in (0, 1), got "0.2" (string). Remove the quotes.',
      'a.yaml:9:114 stages.trainer.updates.innerEpochs: expected an integer from 1 to 1000, got 1.5 (number). Change the value.',
      'a.yaml:9:135 stages.trainer.learningRate: expected a number in (0, 1], got a list of 1. Change the value.',
      'a.yaml:9:153 stages.trainer.maxGradNorm: expected a number in (0, Infinity), got Infinity (number). Change the value.',
    ],
  ],
  [
    'text that YAML reads as a number, and a pattern that does not compile',
    `${withLine('name:', 'name: 7').replace('{ pipeline: models/shapes }', '{ pipeline: p, lora: { pattern: "(" } }')}seed: null\n`,
    [
      'a.yaml:1:7 name: expected a name of letters, digits and hyphens, a letter first, got 7 (number). Put it in quotes.',
      'a.yaml:2:40 model.lora.pattern: expected a regular expression, got "(" (string). Change the value.',
      'a.yaml:11:7 seed: expected an integer from 0 to 4294967295, got null. Write a value, or remove the key where it has a default.',
    ],
  ],
  [
    'values out of range',
    `${sampler('eta: 0, numInferenceSteps: 1')}engine: { providers: [], threads: 0 }\n`,
    [
      'a.yaml:6:34 stages.sampler.eta: expected a number in (0, 2], got 0 (number). Change the value.',
      'a.yaml:6:56 stages.sampler.numInferenceSteps: expected an integer from 2 to 1000, got 1 (number). Change the value.',
      'a.yaml:11:22 engine.providers: expected a list of at least one provider, got a list of 0. Change the value.',
      'a.yaml:11:35 engine.threads: expected an integer from 1 to 1024, got 0 (number). Change the value.',
    ],
  ],
  [
    'a provider that nobody knows',
    `${SMALLEST}engine: { providers: [cpu, webgl] }\n`,
    [
      'a.yaml:11:28 engine.providers[1]: expected one of cpu, webgpu, cuda, got "webgl" (string). Did you mean "webgpu"?',
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
    'name: tiny\nmodel: { pipeline: p }\nstages: {}\nversion: 2\n',
    [
      'a.yaml:3:9 stages: expected a mapping with one stage of each type, got an empty mapping. Change the value.',
    ],
  ],
  [
    'batches that do not divide a round',
    sampler('groupsPerBatch: 5'),
    [
      'a.yaml:4:3 stages.prompts.runAhead: expected a multiple of groupsPerBatch 5, got 32. Change groupsPerBatch.',
      'a.yaml:6:45 stages.sampler.groupsPerBatch: expected a divisor of groupsPerRound 32, got 5. Use 1, 2, 4, 8, 16 or 32.',
    ],
  ],
  [
    'fewer groups in flight than a round has',
    prompts(`${files}, groupsPerRound: 64, runAhead: 48`),
    [
      'a.yaml:4:81 stages.prompts.runAhead: expected at least groupsPerRound 64, got 48. Use 64: with fewer in flight no round can fill.',
    ],
  ],
  [
    'more groups in flight than staleness allows',
    prompts(`${files}, runAhead: 64`),
    [
      'a.yaml:4:61 stages.prompts.runAhead: expected at most groupsPerRound x (1 + maxStaleness) = 32, got 64. Use 32 or raise maxStaleness: groups that far ahead would be too old to train on.',
    ],
  ],
  [
    'groups in flight that fill no whole batch',
    prompts(`${files}, runAhead: 60`).replace('type: trainer', 'type: trainer, maxStaleness: 1'),
    ['a.yaml:4:61 stages.prompts.runAhead: expected a multiple of groupsPerBatch 8, got 60. Use 56 or 64.'],
  ],
  [
    'an empty list',
    schedule('mode: list, phases: []'),
    [
      'a.yaml:5:51 stages.schedule.phases: expected a list of at least one integer, got a list of 0. Change the value.',
    ],
  ],
  [
    'two stages of a type that may be there once',
    withLine('sampler:', 'sampler: { type: sampler }\n  other: { type: sampler }'),
    [
      'a.yaml:7:18 stages.other.type: expected one stage of type sampler, got a second beside "sampler". Remove one of them.',
    ],
  ],
  [
    'a topic without writer and one without reader',
    withLine('reward:', ''),
    [
      'a.yaml:6:12 stages.sampler: expected its topic "images" (group images) to be read by a stage, got no reader. Add a stage of type reward.',
      'a.yaml:7:15 stages.advantages: expected its topic "rewards" (group rewards) to be written by a stage, got no writer. Add a stage of type reward.',
    ],
  ],
  [
    'one name for two topics',
    `${SMALLEST}topics: { rewards: images }\n`,
    [
      'a.yaml:11:20 topics.rewards: expected a name of its own for its group rewards messages, got "images", which carries the group images messages of "images". Choose another name.',
    ],
  ],
  [
    'faults of every sort, all at once',
    sampler('numBranches: 1, groupsPerBatch: 5, eta: 3')
      .replace('name: tiny', 'nmae: tiny')
      .replace('type: trainer', 'type: trainer, learningRate: yes'),
    [
      'a.yaml:1:1 nmae the key: expected one of version, name, seed, model, engine, transport, topics, stages, evaluation, guards, promotion, checkpoints, telemetry, tests, got "nmae". Did you mean "name"?',
      'a.yaml:1:1 name: expected a name of letters, digits and hyphens, a letter first, got nothing. Add `name`.',
      'a.yaml:4:3 stages.prompts.runAhead: expected a multiple of groupsPerBatch 5, got 32. Change groupsPerBatch.',
      'a.yaml:6:42 stages.sampler.numBranches: expected at least 2 for the rule branch-centered, which compares the branches of a group, got 1. Raise it, or set stages.advantages.rule: per-prompt.',
      'a.yaml:6:61 stages.sampler.groupsPerBatch: expected a divisor of groupsPerRound 32, got 5. Use 1, 2, 4, 8, 16 or 32.',
      'a.yaml:6:69 stages.sampler.eta: expected a number in (0, 2], got 3 (number). Change the value.',
      'a.yaml:9:43 stages.trainer.learningRate: expected a number in (0, 1], got "yes" (string). Change the value.',
    ],
  ],
  [
    'no contradiction with a value that is at fault itself',
    sampler('groupsPerBatch: "5"').replace(
      'type: prompts,',
      'type: prompts, groupsPerRound: 30, runAhead: 30,',
    ),
    [
      'a.yaml:6:45 stages.sampler.groupsPerBatch: expected an integer from 1 to 100000, got "5" (string). Remove the quotes.',
    ],
  ],
]);
