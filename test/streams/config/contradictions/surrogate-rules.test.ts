import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../../src/streams/config/lint-topology.js';
import { faultsWith, type StageSettings, textWith } from '../faults-with.js';

describe('SURROGATE_RULES', () => {
  it.each<[about: string, settings: StageSettings, message: string]>([
    [
      'steps without noise where log-probs are needed',
      { sampler: 'stochasticSteps: none, forkPlan: independent' },
      'a.yaml:6:46 stages.sampler.stochasticSteps: expected noise at the trained steps for the surrogate ddpo-is, which needs their log-probs, got none. Set all or trained.',
    ],
    [
      'steps without noise where log-probs of pairs are needed',
      {
        sampler: 'stochasticSteps: none, forkPlan: independent',
        trainer: 'surrogate: { type: d3po }',
      },
      'a.yaml:6:46 stages.sampler.stochasticSteps: expected noise at the trained steps for the surrogate d3po, which needs their log-probs, got none. Set all or trained.',
    ],
    [
      'a replay buffer under a surrogate of pairs',
      { trainer: 'surrogate: { type: d3po }, updates: { from: replay }' },
      'a.yaml:9:73 stages.trainer.updates.from: expected round for the surrogate d3po, which is not trained on single steps, got replay. Set from: round.',
    ],
    [
      'a replay buffer under a surrogate of noised pictures',
      {
        sampler: 'guidanceScale: 1',
        trainer: 'surrogate: { type: diffusion-nft }, updates: { from: replay }',
      },
      'a.yaml:9:82 stages.trainer.updates.from: expected round for the surrogate diffusion-nft, which is not trained on single steps, got replay. Set from: round.',
    ],
    [
      'squared distances where the ratio of Gaussians is corrected',
      { sampler: 'logProb: squared-distance', trainer: 'surrogate: { type: grpo-guard }' },
      'a.yaml:6:38 stages.sampler.logProb: expected gaussian for the surrogate grpo-guard, which corrects the ratio of Gaussians, got squared-distance. Set logProb: gaussian, or surrogate: { type: grpo }.',
    ],
    [
      'a value network under a surrogate of pairs',
      { trainer: 'surrogate: { type: d3po }, value: { type: network }' },
      'a.yaml:9:71 stages.trainer.value.type: expected none for the surrogate d3po, which is not trained on single steps, got network. Set type: none.',
    ],
    [
      'a value network under a surrogate of noised pictures',
      { sampler: 'guidanceScale: 1', trainer: 'surrogate: { type: sft }, value: { type: network }' },
      'a.yaml:9:70 stages.trainer.value.type: expected none for the surrogate sft, which is not trained on single steps, got network. Set type: none.',
    ],
    [
      'guidance, which is the default, under a surrogate of noised pictures',
      { trainer: 'surrogate: { type: sft }' },
      "a.yaml:6:3 stages.sampler.guidanceScale: expected at most 1 for the surrogate sft, which fits the network's output to noised pictures, got 2. Set it to 1.",
    ],
    [
      'guidance just above 1 under a surrogate of noised pictures',
      { sampler: 'guidanceScale: 1.01', trainer: 'surrogate: { type: awm }' },
      "a.yaml:6:44 stages.sampler.guidanceScale: expected at most 1 for the surrogate awm, which fits the network's output to noised pictures, got 1.01. Set it to 1.",
    ],
    [
      'rollouts of the pretrained model under a surrogate with ratios',
      { sampler: 'sampleFrom: pretrained' },
      'a.yaml:6:41 stages.sampler.sampleFrom: expected policy for the surrogate ddpo-is, which compares the policy with the one that sampled, got pretrained. Set sampleFrom: policy.',
    ],
    [
      'rollouts of the pretrained model under a surrogate of noised pictures that reads the old policy',
      {
        sampler: 'guidanceScale: 1, sampleFrom: pretrained',
        trainer: 'surrogate: { type: diffusion-nft }',
      },
      'a.yaml:6:59 stages.sampler.sampleFrom: expected policy for the surrogate diffusion-nft, which compares the policy with the one that sampled, got pretrained. Set sampleFrom: policy.',
    ],
    [
      'a sampling policy that lags behind ratios',
      { trainer: 'surrogate: { type: d3po }, samplingPolicyDecay: 0.5' },
      'a.yaml:9:77 stages.trainer.samplingPolicyDecay: expected 0 for the surrogate d3po, whose ratios begin at the policy that sampled, got 0.5. Set it to 0.',
    ],
    [
      'stale samples under a surrogate of steps that reads the old policy',
      { trainer: 'surrogate: { type: grpo-guard }, maxStaleness: 1' },
      'a.yaml:9:76 stages.trainer.maxStaleness: expected 0 for the surrogate grpo-guard, which needs the very policy that sampled, got 1. Set it to 0.',
    ],
    [
      'stale samples under a surrogate of noised pictures that reads the old policy',
      { sampler: 'guidanceScale: 1', trainer: 'surrogate: { type: awm }, maxStaleness: 2' },
      'a.yaml:9:69 stages.trainer.maxStaleness: expected 0 for the surrogate awm, which needs the very policy that sampled, got 2. Set it to 0.',
    ],
    [
      'stale samples under the score function',
      {
        trainer:
          'surrogate: { type: ddpo-sf }, maxStaleness: 1, updates: { from: round, samplesPerUpdate: 64 }',
      },
      'a.yaml:9:73 stages.trainer.maxStaleness: expected 0 for the surrogate ddpo-sf, which needs the very policy that sampled, got 1. Set it to 0.',
    ],
    [
      'pairs of branches that fork among the trained steps',
      {
        sampler: 'forkPlan: trained-steps, numBranches: 2',
        advantages: 'rule: same-depth',
        trainer: 'surrogate: { type: d3po }',
      },
      'a.yaml:6:39 stages.sampler.forkPlan: expected forks before or at the first trained step for the surrogate d3po, which compares whole branches, got trained-steps. Set forkPlan: interval or independent.',
    ],
    [
      // The first rounds train step 9 alone, the later ones step 0 as well.
      'no weight for the only step of a round',
      { schedule: 'mode: sparse, phases: [1, 10]', trainer: 'stepWeighting: drop-last' },
      'a.yaml:9:44 stages.trainer.stepWeighting: expected a weight for step 9, the only one that some round trains, got drop-last. Set another weighting, or train more steps.',
    ],
    [
      'an odd minibatch of pairs',
      { trainer: 'surrogate: { type: d3po }, minibatchSize: 33' },
      'a.yaml:9:71 stages.trainer.minibatchSize: expected an even number for the surrogate d3po, whose rows come in pairs, got 33. Add one.',
    ],
    [
      'an odd minibatch of pairs of pictures',
      { sampler: 'guidanceScale: 1', trainer: 'surrogate: { type: diffusion-dpo }, minibatchSize: 33' },
      'a.yaml:9:80 stages.trainer.minibatchSize: expected an even number for the surrogate diffusion-dpo, whose rows come in pairs, got 33. Add one.',
    ],
    [
      'pairs of pictures of one branch',
      {
        sampler: 'numBranches: 1, guidanceScale: 1',
        advantages: 'rule: per-prompt',
        trainer: 'surrogate: { type: diffusion-dpo }',
      },
      'a.yaml:6:42 stages.sampler.numBranches: expected at least 2 for the surrogate diffusion-dpo, which compares two branches of a group, got 1. Raise it.',
    ],
    [
      'pairs of one branch',
      {
        sampler: 'numBranches: 1',
        advantages: 'rule: per-prompt',
        trainer: 'surrogate: { type: d3po }',
      },
      'a.yaml:6:42 stages.sampler.numBranches: expected at least 2 for the surrogate d3po, which compares two branches of a group, got 1. Raise it.',
    ],
    [
      // 32 groups, two branches of each: 64 samples, two updates of 32.
      'a score function that is updated twice a round',
      { trainer: 'surrogate: { type: ddpo-sf }' },
      'a.yaml:9:3 stages.trainer.updates: expected one optimizer step a round for the surrogate ddpo-sf, which has no ratio, got innerEpochs 1, samplesPerUpdate 32. Set from: round, innerEpochs: 1, samplesPerUpdate: 64; or the surrogate ddpo-is.',
    ],
    [
      'a score function of two epochs',
      {
        trainer:
          'surrogate: { type: ddpo-sf }, updates: { from: round, innerEpochs: 2, samplesPerUpdate: 64 }',
      },
      'a.yaml:9:68 stages.trainer.updates: expected one optimizer step a round for the surrogate ddpo-sf, which has no ratio, got innerEpochs 2, samplesPerUpdate 64. Set from: round, innerEpochs: 1, samplesPerUpdate: 64; or the surrogate ddpo-is.',
    ],
    [
      'a score function over a replay buffer',
      { trainer: 'surrogate: { type: ddpo-sf }, updates: { from: replay }' },
      'a.yaml:9:68 stages.trainer.updates: expected one optimizer step a round for the surrogate ddpo-sf, which has no ratio, got a replay buffer. Set from: round, innerEpochs: 1, samplesPerUpdate: 64; or the surrogate ddpo-is.',
    ],
    [
      'guidance under a surrogate of noised pictures',
      { trainer: 'surrogate: { type: sft }' },
      "a.yaml:6:3 stages.sampler.guidanceScale: expected at most 1 for the surrogate sft, which fits the network's output to noised pictures, got 2. Set it to 1.",
    ],
    [
      'pictures of another model under a ratio',
      { sampler: 'sampleFrom: pretrained' },
      'a.yaml:6:41 stages.sampler.sampleFrom: expected policy for the surrogate ddpo-is, which compares the policy with the one that sampled, got pretrained. Set sampleFrom: policy.',
    ],
    [
      'a slower sampling policy under a ratio',
      { trainer: 'samplingPolicyDecay: 0.5' },
      'a.yaml:9:50 stages.trainer.samplingPolicyDecay: expected 0 for the surrogate ddpo-is, whose ratios begin at the policy that sampled, got 0.5. Set it to 0.',
    ],
    [
      'stale groups under a surrogate that reads the policy that sampled',
      { trainer: 'surrogate: { type: grpo-guard }, maxStaleness: 1' },
      'a.yaml:9:76 stages.trainer.maxStaleness: expected 0 for the surrogate grpo-guard, which needs the very policy that sampled, got 1. Set it to 0.',
    ],
    [
      'pairs of branches that share trained steps',
      {
        sampler: 'forkPlan: steps, forkSteps: [0, 5]',
        advantages: 'rule: back-propagated',
        trainer: 'surrogate: { type: d3po }',
      },
      'a.yaml:6:39 stages.sampler.forkPlan: expected forks before or at the first trained step for the surrogate d3po, which compares whole branches, got steps. Set forkPlan: interval or independent.',
    ],
    [
      'no weight for the only step that is trained',
      { schedule: 'mode: constant, steps: 1', trainer: 'stepWeighting: drop-last' },
      'a.yaml:9:44 stages.trainer.stepWeighting: expected a weight for step 9, the only one that some round trains, got drop-last. Set another weighting, or train more steps.',
    ],
  ])('should report %s', (_, settings, message) => {
    expect(faultsWith(settings)).toEqual([message]);
  });

  it('should report a guard on KL terms that a surrogate of noised pictures does not measure', () => {
    const faultsUnder = (type: string, action: string) =>
      lintTopology(
        `${textWith({ sampler: 'guidanceScale: 1', trainer: `surrogate: { type: ${type} }` })}guards: { klToPretrained: { action: ${action} } }\n`,
        'a.yaml',
      ).faults.map(({ message }) => message);
    expect(faultsUnder('sft', 'warn')).toEqual([
      "a.yaml:11:37 guards.klToPretrained.action: expected off for the surrogate sft, which is not trained on the sampler's steps, got warn. Set action: off.",
    ]);
    expect(faultsUnder('sft', 'off')).toEqual([]);
    expect(faultsUnder('ddpo-is', 'warn')).toEqual([]);
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
      'rollouts of the pretrained model, stale ones too, under a surrogate that compares with none',
      {
        sampler: 'guidanceScale: 1, sampleFrom: pretrained',
        trainer: 'surrogate: { type: sft }, maxStaleness: 1, samplingPolicyDecay: 0.5',
      },
    ],
    [
      'a lagging sampling policy under a surrogate of noised pictures',
      {
        sampler: 'guidanceScale: 1',
        trainer: 'surrogate: { type: diffusion-nft }, samplingPolicyDecay: 0.5',
      },
    ],
    ['stale samples where the ratio is to their log-probs', { trainer: 'maxStaleness: 1' }],
    [
      'stale pictures where the old policy is only where a step starts',
      { sampler: 'guidanceScale: 1', trainer: 'surrogate: { type: diffusion-nft }, maxStaleness: 1' },
    ],
    [
      'pairs of branches that fork before all trained steps',
      { sampler: 'forkPlan: steps, forkSteps: [0]', trainer: 'surrogate: { type: d3po }' },
    ],
    [
      'no weight for the last step where others are trained with it',
      { schedule: 'mode: constant, steps: 2', trainer: 'stepWeighting: drop-last' },
    ],
    [
      'no weight for the last step where it comes second',
      { schedule: 'mode: sparse, phases: [10, 1]', trainer: 'stepWeighting: drop-last' },
    ],
    [
      'a weighting that the surrogate does not read',
      {
        schedule: 'mode: constant, steps: 1',
        sampler: 'guidanceScale: 1',
        trainer: 'surrogate: { type: sft }, stepWeighting: drop-last',
      },
    ],
    [
      'a replay buffer and a value network under a surrogate of single steps',
      { trainer: 'surrogate: { type: dpok }, updates: { from: replay }, value: { type: network }' },
    ],
    [
      'a score function with one update a round',
      { trainer: 'surrogate: { type: ddpo-sf }, updates: { from: round, samplesPerUpdate: 64 }' },
    ],
  ])('should accept %s', (_, settings) => {
    expect(faultsWith(settings)).toEqual([]);
  });
});
