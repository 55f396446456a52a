import { describe, expect, it } from 'vitest';
import { faultsWith, type StageSettings } from '../faults-with.js';

describe('SELECTION_RULES', () => {
  it.each<[about: string, settings: StageSettings, message: string]>([
    [
      // 32 groups, the best and the worst branch of each.
      'updates that no round can fill',
      { trainer: 'updates: { from: round, samplesPerUpdate: 65 }' },
      'a.yaml:9:71 stages.trainer.updates.samplesPerUpdate: expected at most the 64 samples that a round can select, got 65. Lower it, or raise groupsPerRound.',
    ],
    [
      'updates that no round can fill in all of its passes',
      { trainer: 'updates: { from: round, samplesPerUpdate: 193, innerEpochs: 3, remainder: carry }' },
      'a.yaml:9:71 stages.trainer.updates.samplesPerUpdate: expected at most the 192 samples that a round can select in 3 passes, got 193. Lower it, or raise groupsPerRound.',
    ],
    [
      // 32 groups of 4^2 rollouts, all of them kept.
      'updates that a round of trees cannot fill',
      {
        sampler: 'forkPlan: steps, forkSteps: [0, 5]',
        advantages: 'rule: same-depth',
        trainer: 'updates: { from: round, samplesPerUpdate: 513 }',
      },
      'a.yaml:9:71 stages.trainer.updates.samplesPerUpdate: expected at most the 512 samples that a round can select, got 513. Lower it, or raise groupsPerRound.',
    ],
    [
      'more transitions in an update than the buffer holds',
      { trainer: 'updates: { from: replay, capacity: 99, transitionsPerUpdate: 100 }' },
      'a.yaml:9:90 stages.trainer.updates.transitionsPerUpdate: expected at most the capacity 99 of the buffer, got 100. Lower it, or raise the capacity.',
    ],
    [
      'more transitions in a draw than the buffer holds',
      {
        trainer: 'updates: { from: replay, capacity: 9, transitionsPerUpdate: 20, drawsPerUpdate: 2 }',
      },
      'a.yaml:9:89 stages.trainer.updates.transitionsPerUpdate: expected at most 2 times the capacity 9 of the buffer, got 20. Lower it, or raise the capacity.',
    ],
    [
      'draws that cannot be alike',
      { trainer: 'updates: { from: replay, transitionsPerUpdate: 32, drawsPerUpdate: 5 }' },
      'a.yaml:9:96 stages.trainer.updates.drawsPerUpdate: expected a divisor of transitionsPerUpdate 32, got 5. Each draw is of transitionsPerUpdate / drawsPerUpdate transitions: change either.',
    ],
    [
      'thresholds the wrong way round',
      { advantages: 'rule: history, bestThreshold: -1, worstThreshold: 1' },
      'a.yaml:8:65 stages.advantages.bestThreshold: expected at least worstThreshold 1, got -1. Swap them.',
    ],
    [
      'statistics that a prompt could never have',
      { advantages: 'rule: per-prompt, bufferSize: 8' },
      'a.yaml:8:3 stages.advantages.minCount: expected at most bufferSize 8, got 16. Lower it: a prompt could never use its own statistics.',
    ],
    [
      'no samples of trees whose forks are at fault themselves',
      {
        sampler: 'forkPlan: steps, forkSteps: [0.5]',
        advantages: 'rule: same-depth',
        trainer: 'updates: { from: round, samplesPerUpdate: 64 }',
      },
      'a.yaml:6:58 stages.sampler.forkSteps[0]: expected an integer from 0 to 999, got 0.5 (number). Change the value.',
    ],
  ])('should report %s', (_, settings, message) => {
    expect(faultsWith(settings)).toEqual([message]);
  });

  it.each<[about: string, settings: StageSettings]>([
    ['an update of all that a round selects', { trainer: 'updates: { from: round, samplesPerUpdate: 64 }' }],
    [
      'draws that hold the whole buffer each',
      {
        trainer: 'updates: { from: replay, capacity: 32, transitionsPerUpdate: 64, drawsPerUpdate: 2 }',
      },
    ],
    ['an update of the whole buffer', { trainer: 'updates: { from: replay, capacity: 32 }' }],
  ])('should accept %s', (_, settings) => {
    expect(faultsWith(settings)).toEqual([]);
  });
});
