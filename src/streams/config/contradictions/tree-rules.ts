/** @file Whether the tree of a group fits the rule that reads it and the steps that draw noise. */
import { at } from '../../../at.js';
import { advantageRuleTraits } from '../../../operators/index.js';
import { sharesEdges } from '../../../rollout-tree.js';
import { intervalTrees } from '../resolved/interval-trees.js';
import { findStage } from '../resolved/stage-of.js';
import { type ConfigRule, contradiction } from './config-rule.js';

const MOST_LEAVES = 1024;

const comparisonsNeedBranches: ConfigRule = (config) => {
  const sampler = findStage(config, 'sampler');
  const advantages = findStage(config, 'advantages');
  if (!sampler || !advantages || sampler.numBranches > 1) return [];
  if (!advantageRuleTraits(advantages).comparesBranches) return [];
  return [
    contradiction(
      ['stages', sampler.name, 'numBranches'],
      {
        expected: `at least 2 for the rule ${advantages.rule}, which compares the branches of a group`,
        got: '1',
        nextStep: `Raise it, or set stages.${advantages.name}.rule: per-prompt.`,
      },
      [['stages', advantages.name, 'rule']],
    ),
  ];
};

const forkStepsFit: ConfigRule = (config) => {
  const sampler = findStage(config, 'sampler');
  if (!sampler) return [];
  const path = ['stages', sampler.name, 'forkSteps'];
  const plan = ['stages', sampler.name, 'forkPlan'];
  const { forkPlan, forkSteps, numInferenceSteps } = sampler;
  const got = `[${forkSteps.join(', ')}]`;
  if (forkPlan !== 'steps') {
    if (forkSteps.length === 0) return [];
    return [
      contradiction(
        path,
        {
          expected: `none for the fork plan ${forkPlan}`,
          got,
          nextStep: 'Remove them, or set forkPlan: steps.',
        },
        [plan],
      ),
    ];
  }
  const ascends = forkSteps.every((step, index) => index === 0 || step > at(forkSteps, index - 1));
  if (forkSteps.length > 0 && ascends && at(forkSteps, -1) < numInferenceSteps) return [];
  const expected = `ascending sampler steps in 0..${numInferenceSteps - 1}, at least one`;
  const steps = ['stages', sampler.name, 'numInferenceSteps'];
  return [
    contradiction(path, { expected, got, nextStep: 'Name the steps where branches fork.' }, [plan, steps]),
  ];
};

const treesFitRule: ConfigRule = (config, { noisySteps }) => {
  const sampler = findStage(config, 'sampler');
  const advantages = findStage(config, 'advantages');
  const trees = intervalTrees(config, noisySteps);
  if (!sampler || !advantages || trees.length === 0) return [];
  const plan = ['stages', sampler.name, 'forkPlan'];
  const others = [
    ['stages', sampler.name, 'numBranches'],
    ['stages', sampler.name, 'forkSteps'],
  ];
  const leaves = Math.max(...trees.map(({ widths }) => at(widths, -1)));
  if (leaves > MOST_LEAVES) {
    const expected = `at most ${MOST_LEAVES} rollouts a group`;
    return [
      contradiction(
        plan,
        { expected, got: String(leaves), nextStep: 'Fork less often, or lower numBranches.' },
        others,
      ),
    ];
  }
  const shares = trees.some(({ interval, widths }) =>
    sharesEdges({ firstStep: 0, widths }, interval.firstStep),
  );
  if (!shares || advantageRuleTraits(advantages).creditsEdges) return [];
  return [
    contradiction(
      plan,
      {
        expected: `no fork after the first trained step of a round for the rule ${advantages.rule}, which gives a branch one advantage`,
        got: sampler.forkPlan,
        nextStep: `Set stages.${advantages.name}.rule: same-depth or back-propagated, or forkPlan: interval.`,
      },
      [...others, ['stages', advantages.name, 'rule']],
    ),
  ];
};

/** Branches that fork where no noise is drawn would be copies of each other. */
const forksDrawNoise: ConfigRule = (config) => {
  const sampler = findStage(config, 'sampler');
  if (!sampler || sampler.numBranches === 1 || sampler.stochasticSteps === 'all') return [];
  const { forkPlan, stochasticSteps } = sampler;
  const path = ['stages', sampler.name, 'stochasticSteps'];
  const isFine =
    stochasticSteps === 'none' ? forkPlan === 'independent' : forkPlan !== 'steps' && forkPlan !== 'module';
  if (isFine) return [];
  const expected = `noise at the forks of the plan ${forkPlan}`;
  const nextStep = stochasticSteps === 'none' ? 'Set forkPlan: independent.' : 'Set stochasticSteps: all.';
  return [
    contradiction(path, { expected, got: stochasticSteps, nextStep }, [['stages', sampler.name, 'forkPlan']]),
  ];
};

/** The same where it is the scheduler of the model that draws no noise. */
const namedForksDrawNoise: ConfigRule = (config, { noisySteps }) => {
  const sampler = findStage(config, 'sampler');
  if (noisySteps === undefined || sampler?.forkPlan !== 'steps' || sampler.numBranches === 1) return [];
  const silent = sampler.forkSteps.find((step) => step >= noisySteps && step < sampler.numInferenceSteps);
  if (silent === undefined) return [];
  return [
    contradiction(
      ['stages', sampler.name, 'forkSteps'],
      {
        expected: `forks at the ${noisySteps} steps that draw noise (the last arrives at the clean picture: docs/models.md, Schedulers)`,
        got: String(silent),
        nextStep: 'Remove it: its branches would be copies of each other.',
      },
      [['model', 'pipeline']],
    ),
  ];
};

/** A share of the noise is at most all of it; so it is of a DDIM step, which ignores `sde`. */
const replacesAtMostAllNoise: ConfigRule = (config) => {
  const sampler = findStage(config, 'sampler');
  if (sampler?.sde !== 'cps' || sampler.eta <= 1) return [];
  return [
    contradiction(
      ['stages', sampler.name, 'eta'],
      {
        expected: 'at most 1 for sde: cps, where 1 replaces all of the noise',
        got: String(sampler.eta),
        nextStep: 'Set it to 0.8.',
      },
      [['stages', sampler.name, 'sde']],
    ),
  ];
};

export const TREE_RULES: readonly ConfigRule[] = [
  comparisonsNeedBranches,
  forkStepsFit,
  treesFitRule,
  forksDrawNoise,
  namedForksDrawNoise,
  replacesAtMostAllNoise,
];
