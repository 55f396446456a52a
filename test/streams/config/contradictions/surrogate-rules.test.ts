import { describe, expect, it } from 'vitest';
import { faultsWith, type StageSettings } from '../faults-with.js';

describe('SURROGATE_RULES', () => {
  it.each<[about: string, settings: StageSettings, message: string]>([
    [
      'steps without noise where log-probs are needed',
      { sampler: 'stochasticSteps: none, forkPlan: independent' },
      'a.yaml:6:53 stages.sampler.stochasticSteps: expected noise at the trained steps for the surrogate ddpo-is, which needs their log-probs, got none. Set all or trained.',
    ],
    [
      'steps without noise where log-probs of pairs are needed',
      {
        sampler: 'stochasticSteps: none, forkPlan: independent',
        trainer: 'surrogate: { type: d3po }',
      },
      'a.yaml:6:53 stages.sampler.stochasticSteps: expected noise at the trained steps for the surrogate d3po, which needs their log-probs, got none. Set all or trained.',
    ],
    [
      'a replay buffer under a surrogate of pairs',
      { trainer: 'surrogate: { type: d3po }, updates: { from: replay }' },
      'a.yaml:9:79 stages.trainer.updates.from: expected stage for the surrogate d3po, which is not trained on single steps, got replay. Set from: stage.',
    ],
    [
      'a replay buffer under a surrogate of noised pictures',
      { trainer: 'surrogate: { type: diffusion-nft }, updates: { from: replay }' },
      'a.yaml:9:88 stages.trainer.updates.from: expected stage for the surrogate diffusion-nft, which is not trained on single steps, got replay. Set from: stage.',
    ],
    [
      'a value network under a surrogate of pairs',
      { trainer: 'surrogate: { type: d3po }, value: { type: network }' },
      'a.yaml:9:77 stages.trainer.value.type: expected none for the surrogate d3po, which is not trained on single steps, got network. Set type: none.',
    ],
    [
      'a value network under a surrogate of noised pictures',
      { trainer: 'surrogate: { type: sft }, value: { type: network }' },
      'a.yaml:9:76 stages.trainer.value.type: expected none for the surrogate sft, which is not trained on single steps, got network. Set type: none.',
    ],
    [
      'an odd minibatch of pairs',
      { trainer: 'surrogate: { type: d3po }, minibatchSize: 33' },
      'a.yaml:9:77 stages.trainer.minibatchSize: expected an even number for the surrogate d3po, whose rows come in pairs, got 33. Add one.',
    ],
    [
      'pairs of one branch',
      {
        sampler: 'numBranches: 1',
        advantages: 'rule: per-prompt',
        trainer: 'surrogate: { type: d3po }',
      },
      'a.yaml:6:49 stages.sampler.numBranches: expected at least 2 for the surrogate d3po, which compares two branches of a group, got 1. Raise it.',
    ],
    [
      // 32 groups, two branches of each: 64 samples, two updates of 32.
      'a score function that is updated twice a stage',
      { trainer: 'surrogate: { type: ddpo-sf }' },
      'a.yaml:9:3 stages.trainer.updates: expected one optimizer step a stage for the surrogate ddpo-sf, which has no ratio, got innerEpochs 1, samplesPerUpdate 32. Set from: stage, innerEpochs: 1, samplesPerUpdate: 64; or the surrogate ddpo-is.',
    ],
    [
      'a score function of two epochs',
      {
        trainer:
          'surrogate: { type: ddpo-sf }, updates: { from: stage, innerEpochs: 2, samplesPerUpdate: 64 }',
      },
      'a.yaml:9:74 stages.trainer.updates: expected one optimizer step a stage for the surrogate ddpo-sf, which has no ratio, got innerEpochs 2, samplesPerUpdate 64. Set from: stage, innerEpochs: 1, samplesPerUpdate: 64; or the surrogate ddpo-is.',
    ],
    [
      'a score function over a replay buffer',
      { trainer: 'surrogate: { type: ddpo-sf }, updates: { from: replay }' },
      'a.yaml:9:74 stages.trainer.updates: expected one optimizer step a stage for the surrogate ddpo-sf, which has no ratio, got a replay buffer. Set from: stage, innerEpochs: 1, samplesPerUpdate: 64; or the surrogate ddpo-is.',
    ],
  ])('should report %s', (_, settings, message) => {
    expect(faultsWith(settings)).toEqual([message]);
  });

  it('should report every setting that a surrogate of pairs cannot have', () => {
    const trainer =
      'surrogate: { type: d3po }, updates: { from: replay }, value: { type: network }, minibatchSize: 7';
    const places = faultsWith({ sampler: 'stochasticSteps: none, forkPlan: independent', trainer }).map(
      (message) => message.split(' ')[1],
    );
    expect(places).toEqual([
      'stages.sampler.stochasticSteps:',
      'stages.trainer.updates.from:',
      'stages.trainer.value.type:',
      'stages.trainer.minibatchSize:',
    ]);
  });

  it.each<[about: string, settings: StageSettings]>([
    ['an odd minibatch of single steps', { trainer: 'minibatchSize: 33' }],
    [
      'a replay buffer and a value network under a surrogate of single steps',
      { trainer: 'surrogate: { type: dpok }, updates: { from: replay }, value: { type: network }' },
    ],
    [
      'a score function with one update a stage',
      { trainer: 'surrogate: { type: ddpo-sf }, updates: { from: stage, samplesPerUpdate: 64 }' },
    ],
  ])('should accept %s', (_, settings) => {
    expect(faultsWith(settings)).toEqual([]);
  });
});
