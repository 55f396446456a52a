/** @file Contradictions: each rule reads several settings and reports those that do not fit together. */

import type { StageType } from '../../stages/index.js';
import type { ModelFacts } from '../resolved/model-facts.js';
import { findStage } from '../resolved/stage-of.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';
import { COMBINE_RULES } from './combine-rules.js';
import { type Contradiction, divisorsNear, type ConfigRule as Rule, useOneOf } from './config-rule.js';
import { ENGINE_RULES } from './engine-rules.js';
import { GATEWAY_RULES } from './gateway-rules.js';
import { SCHEDULE_RULES } from './schedule-rules.js';
import { SELECTION_RULES } from './selection-rules.js';
import { SIZE_RULES } from './size-rules.js';
import { SOURCE_RULES } from './source-rules.js';
import { SURROGATE_RULES } from './surrogate-rules.js';
import { TRAINER_RULES } from './trainer-rules.js';
import { TREE_RULES } from './tree-rules.js';

/** Returns every contradiction in a config whose fields are all valid by themselves. */
export function findContradictions(config: ResolvedConfig, model: ModelFacts = {}): Contradiction[] {
  return RULES.flatMap((rule) => rule(config, model));
}

/** Types of which a topology may have any number; two of `schedule` or `trainer` are two writers of a broadcast. */
const MANY: readonly StageType[] = ['operator', 'reward', 'tap', 'schedule', 'trainer'];

const oneStageOfAType: Rule = ({ stages }) => {
  const names = new Map<StageType, string>();
  return Object.entries(stages).flatMap(([name, { type }]) => {
    const first = MANY.includes(type) ? undefined : names.get(type);
    if (first === undefined) {
      names.set(type, name);
      return [];
    }
    const path = ['stages', name, 'type'];
    const expected = `one stage of type ${type}`;
    const nextStep = 'Remove one of them.';
    return [
      {
        kind: 'contradiction',
        path,
        expected,
        got: `a second beside "${first}"`,
        nextStep,
        involves: [path],
      },
    ];
  });
};

const groupsFillBatches: Rule = (config) => {
  const prompts = findStage(config, 'prompts');
  const sampler = findStage(config, 'sampler');
  if (!prompts || !sampler || prompts.groupsPerRound % sampler.groupsPerBatch === 0) return [];
  const path = ['stages', sampler.name, 'groupsPerBatch'];
  return [
    {
      kind: 'indivisible',
      path,
      expected: `a divisor of groupsPerRound ${prompts.groupsPerRound}`,
      got: String(sampler.groupsPerBatch),
      nextStep: useOneOf(divisorsNear(prompts.groupsPerRound, sampler.groupsPerBatch)),
      involves: [path, ['stages', prompts.name, 'groupsPerRound']],
    },
  ];
};

/**
 * A round is trained when all its groups are in, so fewer than groupsPerRound in flight can never fill one;
 * groups that are sampled more than maxStaleness rounds ahead would be too old to train on.
 */
const runAheadFillsRounds: Rule = (config) => {
  const prompts = findStage(config, 'prompts');
  const sampler = findStage(config, 'sampler');
  const trainer = findStage(config, 'trainer');
  if (!prompts || !sampler || !trainer) return [];
  const { runAhead, groupsPerRound } = prompts;
  const { groupsPerBatch } = sampler;
  const most = groupsPerRound * (1 + trainer.maxStaleness);
  const path = ['stages', prompts.name, 'runAhead'];
  const involves = [path, ['stages', prompts.name, 'groupsPerRound']];
  if (runAhead < groupsPerRound) {
    const expected = `at least groupsPerRound ${groupsPerRound}`;
    const nextStep = `Use ${groupsPerRound}: with fewer in flight no round can fill.`;
    return [{ kind: 'contradiction', path, expected, got: String(runAhead), nextStep, involves }];
  }
  if (runAhead > most) {
    return [
      {
        kind: 'contradiction',
        path,
        expected: `at most groupsPerRound x (1 + maxStaleness) = ${most}`,
        got: String(runAhead),
        nextStep: `Use ${most} or raise maxStaleness: groups that far ahead would be too old to train on.`,
        involves: [...involves, ['stages', trainer.name, 'maxStaleness']],
      },
    ];
  }
  if (runAhead % groupsPerBatch === 0) return [];
  const below = runAhead - (runAhead % groupsPerBatch);
  const fitting = [below, below + groupsPerBatch].filter((value) => value >= groupsPerRound && value <= most);
  return [
    {
      kind: 'indivisible',
      path,
      expected: `a multiple of groupsPerBatch ${groupsPerBatch}`,
      got: String(runAhead),
      nextStep: fitting.length > 0 ? useOneOf(fitting) : 'Change groupsPerBatch.',
      involves: [...involves, ['stages', sampler.name, 'groupsPerBatch']],
    },
  ];
};

const RULES: readonly Rule[] = [
  oneStageOfAType,
  groupsFillBatches,
  runAheadFillsRounds,
  ...SCHEDULE_RULES,
  ...SOURCE_RULES,
  ...COMBINE_RULES,
  ...GATEWAY_RULES,
  ...SIZE_RULES,
  ...TREE_RULES,
  ...SURROGATE_RULES,
  ...SELECTION_RULES,
  ...TRAINER_RULES,
  ...ENGINE_RULES,
];
