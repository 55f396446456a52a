/** @file Whether the schedule fits the sampler and the run. */

import { intervalTrees } from '../resolved/interval-trees.js';
import { findStage } from '../resolved/stage-of.js';
import type { StageConfig } from '../schema/topology-schema.js';
import type { Path } from '../source/fault.js';
import { type ConfigRule, contradiction } from './config-rule.js';

/** Numbers of steps that a schedule names, by the key that names them. */
function namedSteps(schedule: StageConfig<'schedule'>): [Path, number][] {
  switch (schedule.mode) {
    case 'floor-linear':
    case 'correlation':
      return [
        [['first'], schedule.first],
        [['last'], schedule.last],
      ];
    case 'constant':
      return [[['steps'], schedule.steps]];
    case 'window':
      return [[['length'], schedule.length]];
    case 'fraction':
    case 'module':
      return [];
    case 'list':
    case 'sparse':
      return schedule.phases.map((steps, index) => [['phases', index], steps]);
    default:
      return schedule satisfies never;
  }
}

const stepsExist: ConfigRule = (config) => {
  const sampler = findStage(config, 'sampler');
  const schedule = findStage(config, 'schedule');
  if (!sampler || !schedule) return [];
  return namedSteps(schedule)
    .filter(([, steps]) => steps > sampler.numInferenceSteps)
    .map(([below, steps]) =>
      contradiction(
        ['stages', schedule.name, ...below],
        {
          expected: `at most numInferenceSteps ${sampler.numInferenceSteps}`,
          got: String(steps),
          nextStep: 'Lower it, or raise numInferenceSteps.',
        },
        [['stages', sampler.name, 'numInferenceSteps']],
      ),
    );
};

const windowFits: ConfigRule = (config) => {
  const sampler = findStage(config, 'sampler');
  const schedule = findStage(config, 'schedule');
  if (!sampler || schedule?.mode !== 'window') return [];
  const { length, from = 0, until = sampler.numInferenceSteps } = schedule;
  const at = (key: string): Path => ['stages', schedule.name, key];
  if (until > sampler.numInferenceSteps) {
    const expected = `at most numInferenceSteps ${sampler.numInferenceSteps}`;
    const nextStep = 'Lower it, or raise numInferenceSteps.';
    const others: Path[] = [['stages', sampler.name, 'numInferenceSteps']];
    return [contradiction(at('until'), { expected, got: String(until), nextStep }, others)];
  }
  if (from + length <= until || length > sampler.numInferenceSteps) return [];
  const expected = `at most ${Math.max(0, until - from)}, the steps from ${from} until ${until}`;
  const nextStep = 'Lower it, or let the window have more steps.';
  return [
    contradiction(at('length'), { expected, got: String(length), nextStep }, [at('from'), at('until')]),
  ];
};

const fractionTrains: ConfigRule = (config) => {
  const sampler = findStage(config, 'sampler');
  const schedule = findStage(config, 'schedule');
  if (!sampler || schedule?.mode !== 'fraction') return [];
  const { numInferenceSteps } = sampler;
  if (Math.floor(numInferenceSteps * schedule.timestepFraction) >= 1) return [];
  return [
    contradiction(
      ['stages', schedule.name, 'timestepFraction'],
      {
        expected: `a share of at least one of numInferenceSteps ${numInferenceSteps}`,
        got: String(schedule.timestepFraction),
        nextStep: 'Raise it, or raise numInferenceSteps.',
      },
      [['stages', sampler.name, 'numInferenceSteps']],
    ),
  ];
};

const intervalGrows: ConfigRule = (config) => {
  const schedule = findStage(config, 'schedule');
  if (schedule?.mode !== 'floor-linear' && schedule?.mode !== 'correlation') return [];
  if (schedule.first <= schedule.last) return [];
  const at = (key: string): Path => ['stages', schedule.name, key];
  return [
    contradiction(
      at('last'),
      {
        expected: `at least \`first\` ${schedule.first}`,
        got: String(schedule.last),
        nextStep: 'The interval grows backwards: swap them.',
      },
      [at('first')],
    ),
  ];
};

const phasesHaveRounds: ConfigRule = (config) => {
  const prompts = findStage(config, 'prompts');
  const schedule = findStage(config, 'schedule');
  if (!prompts || (schedule?.mode !== 'list' && schedule?.mode !== 'sparse')) return [];
  const name = prompts.plannedRounds === undefined ? 'numRounds' : 'plannedRounds';
  const rounds = prompts.plannedRounds ?? prompts.numRounds;
  if (schedule.phases.length <= rounds) return [];
  return [
    contradiction(
      ['stages', schedule.name, 'phases'],
      {
        expected: `at most ${name} ${rounds} entries`,
        got: String(schedule.phases.length),
        nextStep: `Shorten the list, or raise ${name}.`,
      },
      [['stages', prompts.name, name]],
    ),
  ];
};

/** Correlation is undefined with one branch per group or one group per round, so the interval would never grow. */
const groupsCorrelate: ConfigRule = (config) => {
  const [prompts, sampler, schedule] = [
    findStage(config, 'prompts'),
    findStage(config, 'sampler'),
    findStage(config, 'schedule'),
  ];
  if (!prompts || !sampler || schedule?.mode !== 'correlation') return [];
  const needed = (path: Path, got: number, nextStep: string) =>
    got >= 2
      ? []
      : [
          contradiction(
            path,
            {
              expected: 'at least 2, as a schedule by correlation compares the branches of groups',
              got: String(got),
              nextStep,
            },
            [['stages', schedule.name, 'mode']],
          ),
        ];
  const raise = 'Raise it, or use mode: floor-linear.';
  return [
    ...needed(['stages', sampler.name, 'numBranches'], sampler.numBranches, raise),
    ...needed(['stages', prompts.name, 'groupsPerRound'], prompts.groupsPerRound, raise),
  ];
};

/** Otherwise the clock always comes first. */
const correlationDecides: ConfigRule = (config) => {
  const schedule = findStage(config, 'schedule');
  if (schedule?.mode !== 'correlation' || schedule.mostRounds === undefined) return [];
  if (schedule.mostRounds > schedule.rounds) return [];
  return [
    contradiction(
      ['stages', schedule.name, 'mostRounds'],
      {
        expected: `more than \`rounds\` ${schedule.rounds}`,
        got: String(schedule.mostRounds),
        nextStep:
          'Raise it, or use mode: floor-linear: the interval would always grow before the correlation is known.',
      },
      [['stages', schedule.name, 'rounds']],
    ),
  ];
};

/** A step that draws no noise has no log-prob, so a round of it alone would have nothing to train. */
const roundsDrawNoise: ConfigRule = (config, { noisySteps }) => {
  const prompts = findStage(config, 'prompts');
  const schedule = findStage(config, 'schedule');
  if (noisySteps === undefined || !prompts || !schedule) return [];
  const silent = intervalTrees(config).find(({ interval }) => interval.firstStep >= noisySteps);
  if (silent === undefined) return [];
  const { round, firstStep } = silent.interval;
  return [
    contradiction(
      ['stages', schedule.name, 'mode'],
      {
        expected: `a step that draws noise in every round, one of 0..${noisySteps - 1} (step ${firstStep} arrives at the clean picture: docs/models.md, Schedulers)`,
        got: `step ${firstStep} alone in round ${round}`,
        nextStep:
          'Train at least one step more, or use a model with set_alpha_to_one: false and steps_offset: 1 in its scheduler_config.json.',
      },
      [['model', 'pipeline']],
    ),
  ];
};

export const SCHEDULE_RULES: readonly ConfigRule[] = [
  stepsExist,
  windowFits,
  fractionTrains,
  intervalGrows,
  groupsCorrelate,
  correlationDecides,
  phasesHaveRounds,
  roundsDrawNoise,
];
