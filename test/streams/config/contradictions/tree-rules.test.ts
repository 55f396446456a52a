import { describe, expect, it } from 'vitest';
import { faultsWith, type StageSettings } from '../faults-with.js';

// The intervals of the smallest config begin at step 3 in the first rounds and at step 0 in the last ones.
describe('TREE_RULES', () => {
  it.each<[about: string, settings: StageSettings, message: string]>([
    [
      'one branch where branches are compared',
      { sampler: 'numBranches: 1' },
      'a.yaml:6:42 stages.sampler.numBranches: expected at least 2 for the rule branch-centered, which compares the branches of a group, got 1. Raise it, or set stages.advantages.rule: per-prompt.',
    ],
    [
      'one branch under a rule that credits edges',
      { sampler: 'numBranches: 1', advantages: 'rule: same-depth' },
      'a.yaml:6:42 stages.sampler.numBranches: expected at least 2 for the rule same-depth, which compares the branches of a group, got 1. Raise it, or set stages.advantages.rule: per-prompt.',
    ],
    [
      'more than all of the noise replaced',
      { sampler: 'sde: cps, eta: 1.5' },
      'a.yaml:6:44 stages.sampler.eta: expected at most 1 for sde: cps, where 1 replaces all of the noise, got 1.5. Set it to 0.8.',
    ],
    [
      'fork steps that the fork plan does not read',
      { sampler: 'forkSteps: [3, 5]' },
      'a.yaml:6:40 stages.sampler.forkSteps: expected none for the fork plan interval, got [3, 5]. Remove them, or set forkPlan: steps.',
    ],
    [
      'fork steps that descend',
      { sampler: 'forkPlan: steps, forkSteps: [5, 3]', advantages: 'rule: same-depth' },
      'a.yaml:6:57 stages.sampler.forkSteps: expected ascending sampler steps in 0..9, at least one, got [5, 3]. Name the steps where branches fork.',
    ],
    [
      'a fork step that stands twice',
      { sampler: 'forkPlan: steps, forkSteps: [3, 3]', advantages: 'rule: same-depth' },
      'a.yaml:6:57 stages.sampler.forkSteps: expected ascending sampler steps in 0..9, at least one, got [3, 3]. Name the steps where branches fork.',
    ],
    [
      'a fork step after the last sampler step',
      { sampler: 'forkPlan: steps, forkSteps: [3, 10]', advantages: 'rule: same-depth' },
      'a.yaml:6:57 stages.sampler.forkSteps: expected ascending sampler steps in 0..9, at least one, got [3, 10]. Name the steps where branches fork.',
    ],
    [
      'a fork plan that lacks its steps',
      { sampler: 'forkPlan: steps', advantages: 'rule: same-depth' },
      'a.yaml:6:3 stages.sampler.forkSteps: expected ascending sampler steps in 0..9, at least one, got []. Name the steps where branches fork.',
    ],
    [
      'forks among the trained steps under a rule that gives a branch one advantage',
      { sampler: 'forkPlan: steps, forkSteps: [0, 5]' },
      'a.yaml:6:39 stages.sampler.forkPlan: expected no fork after the first trained step of a round for the rule branch-centered, which gives a branch one advantage, got steps. Set stages.advantages.rule: same-depth or back-propagated, or forkPlan: interval.',
    ],
    [
      'a fork that only a later interval has among its trained steps',
      { sampler: 'forkPlan: steps, forkSteps: [3]' },
      'a.yaml:6:39 stages.sampler.forkPlan: expected no fork after the first trained step of a round for the rule branch-centered, which gives a branch one advantage, got steps. Set stages.advantages.rule: same-depth or back-propagated, or forkPlan: interval.',
    ],
    [
      // 3 branches at each of the 10 steps of the last interval: 3^10.
      'more rollouts a group than can be',
      { sampler: 'forkPlan: trained-steps, numBranches: 3', advantages: 'rule: same-depth' },
      'a.yaml:6:39 stages.sampler.forkPlan: expected at most 1024 rollouts a group, got 59049. Fork less often, or lower numBranches.',
    ],
    [
      'forks where nothing draws noise',
      { sampler: 'stochasticSteps: none, guidanceScale: 1', trainer: 'surrogate: { type: diffusion-nft }' },
      'a.yaml:6:46 stages.sampler.stochasticSteps: expected noise at the forks of the plan interval, got none. Set forkPlan: independent.',
    ],
    [
      'forks at listed steps where only trained ones draw noise',
      { sampler: 'stochasticSteps: trained, forkPlan: steps, forkSteps: [0]' },
      'a.yaml:6:46 stages.sampler.stochasticSteps: expected noise at the forks of the plan steps, got trained. Set stochasticSteps: all.',
    ],
  ])('should report %s', (_, settings, message) => {
    expect(faultsWith(settings)).toEqual([message]);
  });

  it.each<[about: string, settings: StageSettings]>([
    ['one branch under a rule that compares none', { sampler: 'numBranches: 1', advantages: 'rule: reward' }],
    ['a fork before all trained steps', { sampler: 'forkPlan: steps, forkSteps: [0]' }],
    [
      'forks among the trained steps under a rule that credits edges',
      { sampler: 'forkPlan: steps, forkSteps: [0, 5]', advantages: 'rule: back-propagated' },
    ],
    [
      '1,024 rollouts a group',
      { sampler: 'forkPlan: trained-steps, numBranches: 2', advantages: 'rule: same-depth' },
    ],
    [
      'forks at the first trained step where only trained steps draw noise',
      { sampler: 'stochasticSteps: trained' },
    ],
    [
      'independent rollouts without noise',
      {
        sampler: 'stochasticSteps: none, forkPlan: independent, guidanceScale: 1',
        trainer: 'surrogate: { type: diffusion-nft }',
      },
    ],
  ])('should accept %s', (_, settings) => {
    expect(faultsWith(settings)).toEqual([]);
  });
});

describe('TREE_RULES with the scheduler of a model', () => {
  const forked = {
    sampler: 'forkPlan: steps, forkSteps: [0, 9], numBranches: 2',
    advantages: 'rule: same-depth',
  };

  it('should refuse a fork at a step that draws no noise', () => {
    expect(faultsWith(forked)).toEqual([]);
    expect(faultsWith(forked, { model: { noisySteps: 9 } })).toEqual([
      expect.stringContaining(
        'stages.sampler.forkSteps: expected forks at the 9 steps that draw noise (the last arrives at the clean picture: docs/models.md, Schedulers), got 9. Remove it: its branches would be copies of each other.',
      ),
    ]);
  });
});
