/** @file Whether the schedule fits the sampler and the run. */

import { findStage } from '../resolved/stage-of.js';
import { stageTrees } from '../resolved/stage-trees.js';
import type { StageConfig } from '../schema/topology-schema.js';
import type { Path } from '../source/fault.js';
import { type ConfigRule, contradiction } from './config-rule.js';

/** Numbers of steps that a schedule names, by the key that names them. */
function namedSteps(schedule: StageConfig<'intervalSchedule'>): [Path, number][] {
  switch (schedule.mode) {
    case 'floor-linear':
      return [
        [['first'], schedule.first],
        [['last'], schedule.last],
      ];
    case 'constant':
      return [[['steps'], schedule.steps]];
    case 'window':
      return [[['length'], schedule.length]];
    case 'fraction':
      return [];
    case 'list':
    case 'sparse':
      return schedule.stages.map((steps, index) => [['stages', index], steps]);
    default:
      return schedule satisfies never;
  }
}

const stepsExist: ConfigRule = (config) => {
  const sampler = findStage(config, 'branchRollouts');
  const schedule = findStage(config, 'intervalSchedule');
  if (!sampler || !schedule) return [];
  return namedSteps(schedule)
    .filter(([, steps]) => steps > sampler.numInferenceSteps)
    .map(([below, steps]) =>
      contradiction(
        ['stages', schedule.name, ...below],
        `at most numInferenceSteps ${sampler.numInferenceSteps}`,
        String(steps),
        'Lower it, or raise numInferenceSteps.',
        [['stages', sampler.name, 'numInferenceSteps']],
      ),
    );
};

const fractionTrains: ConfigRule = (config) => {
  const sampler = findStage(config, 'branchRollouts');
  const schedule = findStage(config, 'intervalSchedule');
  if (!sampler || schedule?.mode !== 'fraction') return [];
  const { numInferenceSteps } = sampler;
  if (Math.floor(numInferenceSteps * schedule.timestepFraction) >= 1) return [];
  return [
    contradiction(
      ['stages', schedule.name, 'timestepFraction'],
      `a share of at least one of numInferenceSteps ${numInferenceSteps}`,
      String(schedule.timestepFraction),
      'Raise it, or raise numInferenceSteps.',
      [['stages', sampler.name, 'numInferenceSteps']],
    ),
  ];
};

const intervalGrows: ConfigRule = (config) => {
  const schedule = findStage(config, 'intervalSchedule');
  if (schedule?.mode !== 'floor-linear' || schedule.first <= schedule.last) return [];
  const at = (key: string): Path => ['stages', schedule.name, key];
  return [
    contradiction(
      at('last'),
      `at least \`first\` ${schedule.first}`,
      String(schedule.last),
      'The interval grows backwards: swap them.',
      [at('first')],
    ),
  ];
};

const entriesHaveStages: ConfigRule = (config) => {
  const prompts = findStage(config, 'prompts');
  const schedule = findStage(config, 'intervalSchedule');
  if (!prompts || (schedule?.mode !== 'list' && schedule?.mode !== 'sparse')) return [];
  if (schedule.stages.length <= prompts.numStages) return [];
  return [
    contradiction(
      ['stages', schedule.name, 'stages'],
      `at most numStages ${prompts.numStages} entries`,
      String(schedule.stages.length),
      'Shorten the list, or raise numStages.',
      [['stages', prompts.name, 'numStages']],
    ),
  ];
};

/** A step that draws no noise has no log-prob, so a stage of it alone would have nothing to train. */
const stagesDrawNoise: ConfigRule = (config, noisySteps) => {
  const prompts = findStage(config, 'prompts');
  const schedule = findStage(config, 'intervalSchedule');
  if (noisySteps === undefined || !prompts || !schedule) return [];
  const silent = stageTrees(config).find(({ interval }) => interval.firstStep >= noisySteps);
  if (silent === undefined) return [];
  const { trainingStage, firstStep } = silent.interval;
  return [
    contradiction(
      ['stages', schedule.name, 'mode'],
      `a step that draws noise in every training stage, one of 0..${noisySteps - 1} (step ${firstStep} arrives at the clean picture: docs/models.md, Schedulers)`,
      `step ${firstStep} alone in training stage ${trainingStage}`,
      'Train at least one step more, or use a model with set_alpha_to_one: false and steps_offset: 1 in its scheduler_config.json.',
      [['model', 'pipeline']],
    ),
  ];
};

export const SCHEDULE_RULES: readonly ConfigRule[] = [
  stepsExist,
  fractionTrains,
  intervalGrows,
  entriesHaveStages,
  stagesDrawNoise,
];
