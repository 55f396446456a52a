/** @file What no single field can be blamed for: each rule reads several settings and says which of them do not fit. */
import { selectableSamples } from './derived-sizes.js';
import type { FaultDetail, Path } from './fault.js';
import { findStage } from './stage-of.js';
import type { StageType } from './stages/index.js';
import type { ResolvedConfig } from './topology-schema.js';

/** A fault with all the settings that it rests on: where one of them is at fault itself, this one says nothing new. */
export interface Contradiction extends FaultDetail {
  readonly involves: readonly Path[];
}

type Rule = (config: ResolvedConfig) => readonly Contradiction[];

/** Returns every contradiction among the settings of a config whose fields are each in order. */
export function findContradictions(config: ResolvedConfig): Contradiction[] {
  return RULES.flatMap((rule) => rule(config));
}

const oneStageOfAType: Rule = ({ stages }) => {
  const names = new Map<StageType, string>();
  return Object.entries(stages).flatMap(([name, { type }]) => {
    const first = names.get(type);
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
  const sampler = findStage(config, 'branchRollouts');
  if (!prompts || !sampler || prompts.groupsPerStage % sampler.groupsPerBatch === 0) return [];
  const path = ['stages', sampler.name, 'groupsPerBatch'];
  return [
    {
      kind: 'indivisible',
      path,
      expected: `a divisor of groupsPerStage ${prompts.groupsPerStage}`,
      got: String(sampler.groupsPerBatch),
      nextStep: useOneOf(divisorsNear(prompts.groupsPerStage, sampler.groupsPerBatch)),
      involves: [path, ['stages', prompts.name, 'groupsPerStage']],
    },
  ];
};

/**
 * A training stage is trained when all its groups are in, so fewer than groupsPerStage in flight can never fill one;
 * groups that are sampled more than maxStaleness stages ahead would be too old to train on.
 */
const runAheadFillsStages: Rule = (config) => {
  const prompts = findStage(config, 'prompts');
  const sampler = findStage(config, 'branchRollouts');
  const trainer = findStage(config, 'gradientSteps');
  if (!prompts || !sampler || !trainer) return [];
  const { runAhead, groupsPerStage } = prompts;
  const { groupsPerBatch } = sampler;
  const most = groupsPerStage * (1 + trainer.maxStaleness);
  const path = ['stages', prompts.name, 'runAhead'];
  const involves = [path, ['stages', prompts.name, 'groupsPerStage']];
  if (runAhead < groupsPerStage) {
    const expected = `at least groupsPerStage ${groupsPerStage}`;
    const nextStep = `Use ${groupsPerStage}: with fewer in flight no training stage can fill.`;
    return [{ kind: 'contradiction', path, expected, got: String(runAhead), nextStep, involves }];
  }
  if (runAhead > most) {
    return [
      {
        kind: 'contradiction',
        path,
        expected: `at most groupsPerStage x (1 + maxStaleness) = ${most}`,
        got: String(runAhead),
        nextStep: `Use ${most} or raise maxStaleness: groups that far ahead would be too old to train on.`,
        involves: [...involves, ['stages', trainer.name, 'maxStaleness']],
      },
    ];
  }
  if (runAhead % groupsPerBatch === 0) return [];
  const below = runAhead - (runAhead % groupsPerBatch);
  const fitting = [below, below + groupsPerBatch].filter((value) => value >= groupsPerStage && value <= most);
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

const extremesNeedBranches: Rule = (config) => {
  const sampler = findStage(config, 'branchRollouts');
  const advantages = findStage(config, 'groupAdvantages');
  if (!sampler || !advantages || advantages.rule === 'per-prompt' || sampler.numBranches > 1) return [];
  const path = ['stages', sampler.name, 'numBranches'];
  return [
    {
      kind: 'contradiction',
      path,
      expected: `at least 2 for the rule ${advantages.rule}, which compares the branches of a group`,
      got: '1',
      nextStep: `Raise it, or set stages.${advantages.name}.rule: per-prompt.`,
      involves: [path, ['stages', advantages.name, 'rule']],
    },
  ];
};

const scheduleFits: Rule = (config) => {
  const prompts = findStage(config, 'prompts');
  const sampler = findStage(config, 'branchRollouts');
  const schedule = findStage(config, 'intervalSchedule');
  if (!prompts || !sampler || !schedule) return [];
  const at = (...below: Path): Path => ['stages', schedule.name, ...below];
  const lengths: [Path, number][] =
    schedule.mode === 'floor-linear'
      ? [
          [at('first'), schedule.first],
          [at('last'), schedule.last],
        ]
      : schedule.mode === 'constant'
        ? [[at('steps'), schedule.steps]]
        : schedule.stages.map((steps, index) => [at('stages', index), steps]);
  const faults: Contradiction[] = lengths
    .filter(([, steps]) => steps > sampler.numInferenceSteps)
    .map(([path, steps]) => ({
      kind: 'contradiction',
      path,
      expected: `at most numInferenceSteps ${sampler.numInferenceSteps}`,
      got: String(steps),
      nextStep: 'Lower it, or raise numInferenceSteps.',
      involves: [path, ['stages', sampler.name, 'numInferenceSteps']],
    }));
  if (schedule.mode === 'floor-linear' && schedule.first > schedule.last) {
    faults.push({
      kind: 'contradiction',
      path: at('last'),
      expected: `at least \`first\` ${schedule.first}`,
      got: String(schedule.last),
      nextStep: 'The interval grows backwards: swap them.',
      involves: [at('first'), at('last')],
    });
  }
  if (schedule.mode === 'list' && schedule.stages.length > prompts.numStages) {
    faults.push({
      kind: 'contradiction',
      path: at('stages'),
      expected: `at most numStages ${prompts.numStages} entries`,
      got: String(schedule.stages.length),
      nextStep: 'Shorten the list, or raise numStages.',
      involves: [at('stages'), ['stages', prompts.name, 'numStages']],
    });
  }
  return faults;
};

const updatesFit: Rule = (config) => {
  const prompts = findStage(config, 'prompts');
  const sampler = findStage(config, 'branchRollouts');
  const advantages = findStage(config, 'groupAdvantages');
  const trainer = findStage(config, 'gradientSteps');
  if (!prompts || !sampler || !advantages || !trainer) return [];
  const selectable = selectableSamples({ prompts, sampler, advantages });
  if (trainer.samplesPerUpdate <= selectable) return [];
  const path = ['stages', trainer.name, 'samplesPerUpdate'];
  return [
    {
      kind: 'contradiction',
      path,
      expected: `at most the ${selectable} samples that a training stage can select`,
      got: String(trainer.samplesPerUpdate),
      nextStep: 'Lower it, or raise groupsPerStage.',
      involves: [
        path,
        ['stages', prompts.name, 'groupsPerStage'],
        ['stages', sampler.name, 'numBranches'],
        ['stages', advantages.name],
      ],
    },
  ];
};

const selectionIsPossible: Rule = (config) => {
  const advantages = findStage(config, 'groupAdvantages');
  if (advantages?.rule === 'history' && advantages.bestThreshold < advantages.worstThreshold) {
    const path = ['stages', advantages.name, 'bestThreshold'];
    return [
      {
        kind: 'contradiction',
        path,
        expected: `at least worstThreshold ${advantages.worstThreshold}`,
        got: String(advantages.bestThreshold),
        nextStep: 'Swap them.',
        involves: [path, ['stages', advantages.name, 'worstThreshold']],
      },
    ];
  }
  if (advantages?.rule === 'per-prompt' && advantages.minCount > advantages.bufferSize) {
    const path = ['stages', advantages.name, 'minCount'];
    return [
      {
        kind: 'contradiction',
        path,
        expected: `at most bufferSize ${advantages.bufferSize}`,
        got: String(advantages.minCount),
        nextStep: 'Lower it: a prompt could never use its own statistics.',
        involves: [path, ['stages', advantages.name, 'bufferSize']],
      },
    ];
  }
  return [];
};

const RULES: readonly Rule[] = [
  oneStageOfAType,
  groupsFillBatches,
  runAheadFillsStages,
  extremesNeedBranches,
  scheduleFits,
  updatesFit,
  selectionIsPossible,
];

/** At most eight divisors, those nearest to what was written, in ascending order. */
function divisorsNear(total: number, written: number): number[] {
  const divisors: number[] = [];
  for (let low = 1; low * low <= total; low++) {
    if (total % low === 0) divisors.push(low, ...(low * low === total ? [] : [total / low]));
  }
  const distance = (value: number) => Math.abs(Math.log(value / written));
  return divisors
    .sort((a, b) => distance(a) - distance(b))
    .slice(0, 8)
    .sort((a, b) => a - b);
}

function useOneOf(values: readonly number[]): string {
  const last = values.at(-1);
  return values.length > 1 ? `Use ${values.slice(0, -1).join(', ')} or ${last}.` : `Use ${last}.`;
}
