import { describe, expect, it } from 'vitest';
import { faultsWith, type StageSettings } from '../faults-with.js';

describe('SCHEDULE_RULES', () => {
  it.each<[about: string, settings: StageSettings, messages: string[]]>([
    [
      'a growing interval that is longer than a trajectory, and shrinks',
      { schedule: 'mode: floor-linear, first: 12, last: 11' },
      [
        'a.yaml:5:58 stages.schedule.first: expected at most numInferenceSteps 10, got 12. Lower it, or raise numInferenceSteps.',
        'a.yaml:5:68 stages.schedule.last: expected at most numInferenceSteps 10, got 11. Lower it, or raise numInferenceSteps.',
        'a.yaml:5:68 stages.schedule.last: expected at least `first` 12, got 11. The interval grows backwards: swap them.',
      ],
    ],
    [
      'a constant interval that is longer than a trajectory, and no samples that could not be told without it',
      {
        schedule: 'mode: constant, steps: 11',
        trainer: 'updates: { from: round, samplesPerUpdate: 64 }',
      },
      [
        'a.yaml:5:54 stages.schedule.steps: expected at most numInferenceSteps 10, got 11. Lower it, or raise numInferenceSteps.',
      ],
    ],
    [
      'a list with more entries than rounds, one of them too large',
      { schedule: 'mode: list, phases: [4, 8, 12]', prompts: 'numRounds: 2' },
      [
        'a.yaml:5:51 stages.schedule.phases: expected at most numRounds 2 entries, got 3. Shorten the list, or raise numRounds.',
        'a.yaml:5:58 stages.schedule.phases[2]: expected at most numInferenceSteps 10, got 12. Lower it, or raise numInferenceSteps.',
      ],
    ],
    [
      'a list with more entries than planned rounds',
      { schedule: 'mode: list, phases: [2, 4, 8]', prompts: 'numRounds: 9, plannedRounds: 2' },
      [
        'a.yaml:5:51 stages.schedule.phases: expected at most plannedRounds 2 entries, got 3. Shorten the list, or raise plannedRounds.',
      ],
    ],
    [
      'more sparse steps than rounds',
      { schedule: 'mode: sparse, phases: [2, 4, 8]', prompts: 'numRounds: 2' },
      [
        'a.yaml:5:53 stages.schedule.phases: expected at most numRounds 2 entries, got 3. Shorten the list, or raise numRounds.',
      ],
    ],
    [
      'a sparse step before the first',
      { schedule: 'mode: sparse, phases: [2, 11]' },
      [
        'a.yaml:5:57 stages.schedule.phases[1]: expected at most numInferenceSteps 10, got 11. Lower it, or raise numInferenceSteps.',
      ],
    ],
    [
      'a window that is longer than a trajectory',
      { schedule: 'mode: window, length: 11' },
      [
        'a.yaml:5:53 stages.schedule.length: expected at most numInferenceSteps 10, got 11. Lower it, or raise numInferenceSteps.',
      ],
    ],
    [
      'a schedule by correlation without branches or groups to compare, whose clock always comes first',
      {
        schedule: 'mode: correlation, first: 2, last: 1, rounds: 4, mostRounds: 4',
        prompts: 'groupsPerRound: 1, runAhead: 1',
        sampler: 'numBranches: 1, groupsPerBatch: 1',
      },
      [
        'a.yaml:4:67 stages.prompts.groupsPerRound: expected at least 2, as a schedule by correlation compares the branches of groups, got 1. Raise it, or use mode: floor-linear.',
        'a.yaml:5:66 stages.schedule.last: expected at least `first` 2, got 1. The interval grows backwards: swap them.',
        'a.yaml:5:92 stages.schedule.mostRounds: expected more than `rounds` 4, got 4. Raise it, or use mode: floor-linear: the interval would always grow before the correlation is known.',
        'a.yaml:6:42 stages.sampler.numBranches: expected at least 2, as a schedule by correlation compares the branches of groups, got 1. Raise it, or use mode: floor-linear.',
        'a.yaml:6:42 stages.sampler.numBranches: expected at least 2 for the rule branch-centered, which compares the branches of a group, got 1. Raise it, or set stages.advantages.rule: per-prompt.',
      ],
    ],
    [
      'a fraction of less than one step',
      { schedule: 'mode: fraction, timestepFraction: 0.05' },
      [
        'a.yaml:5:65 stages.schedule.timestepFraction: expected a share of at least one of numInferenceSteps 10, got 0.05. Raise it, or raise numInferenceSteps.',
      ],
    ],
    [
      'a window without room',
      { schedule: 'mode: window, length: 4, from: 3, until: 6' },
      [
        'a.yaml:5:53 stages.schedule.length: expected at most 3, the steps from 3 until 6, got 4. Lower it, or let the window have more steps.',
      ],
    ],
    [
      'a window that ends after the last step',
      { schedule: 'mode: window, length: 4, until: 11' },
      [
        'a.yaml:5:63 stages.schedule.until: expected at most numInferenceSteps 10, got 11. Lower it, or raise numInferenceSteps.',
      ],
    ],
  ])('should report %s', (_, settings, messages) => {
    expect(faultsWith(settings)).toEqual(messages);
  });

  it.each<[about: string, settings: StageSettings]>([
    ['an entry a round', { schedule: 'mode: list, phases: [2, 10]', prompts: 'numRounds: 2' }],
    ['a sparse step a round', { schedule: 'mode: sparse, phases: [2, 10]', prompts: 'numRounds: 2' }],
    ['a fraction of one step', { schedule: 'mode: fraction, timestepFraction: 0.1' }],
    ['a window that fills its bounds', { schedule: 'mode: window, length: 4, from: 6, order: scattered' }],
    ['a window over the whole trajectory', { schedule: 'mode: window, length: 10, everyRounds: 99' }],
  ])('should accept %s', (_, settings) => {
    expect(faultsWith(settings)).toEqual([]);
  });
});

describe('SCHEDULE_RULES with the scheduler of a model', () => {
  const shrinking = { sampler: 'numInferenceSteps: 10' };

  it.each([
    ['mode: constant, steps: 1', 'step 9 alone in round 0'],
    ['mode: sparse, phases: [1, 2]', 'step 9 alone in round 0'],
    ['mode: window, length: 1', 'step 9 alone in round 9'],
  ])('should refuse rounds of a step that draws no noise alone: %s', (schedule, got) => {
    const settings = { ...shrinking, schedule };
    expect(faultsWith(settings)).toEqual([]);
    expect(faultsWith(settings, { model: { noisySteps: 10 } })).toEqual([]);
    expect(faultsWith(settings, { model: { noisySteps: 9 } })).toEqual([
      `a.yaml:5:37 stages.schedule.mode: expected a step that draws noise in every round, one of 0..8 (step 9 arrives at the clean picture: docs/models.md, Schedulers), got ${got}. Train at least one step more, or use a model with set_alpha_to_one: false and steps_offset: 1 in its scheduler_config.json.`,
    ]);
  });

  it('should take rounds that have one more', () => {
    expect(
      faultsWith({ ...shrinking, schedule: 'mode: constant, steps: 2' }, { model: { noisySteps: 9 } }),
    ).toEqual([]);
  });
});
