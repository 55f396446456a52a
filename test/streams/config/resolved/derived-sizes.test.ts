import { describe, expect, it } from 'vitest';
import { deriveSizes } from '../../../../src/streams/config/resolved/derived-sizes.js';
import { configOf } from '../config-of.js';

/** 2 groups a round in 4 rounds; no guidance, so that a row is one evaluation. */
const small = (schedule: string, sampler: string, more: readonly string[] = []) =>
  deriveSizes(
    configOf(
      'stages.prompts={type: prompts, train: t, heldOut: h, groupsPerRound: 2, runAhead: 2, numRounds: 4}',
      `stages.schedule={type: schedule, ${schedule}}`,
      `stages.sampler={type: sampler, guidanceScale: 1, groupsPerBatch: 2, ${sampler}}`,
      'stages.trainer.updates={from: round, samplesPerUpdate: 2}',
      ...more,
    ),
  );

describe('deriveSizes', () => {
  it('should follow the arithmetic of a group: the prefix and the branch point once, then every branch', () => {
    // Two rounds each of s = 1 and s = 3 in 4 steps, 2 groups of 3 branches.
    const sizes = small('mode: list, phases: [1, 3]', 'numInferenceSteps: 4, numBranches: 3', [
      'stages.trainer.updates={from: round, samplesPerUpdate: 3, innerEpochs: 2}',
      'evaluation={trainPrompts: 5, heldOutPrompts: 2, imagesPerPrompt: 3}',
    ]);
    expect(sizes).toEqual({
      imagesPerRound: 6,
      rewardQueries: 24,
      imagesPerEvaluation: 21,
      selectableSamples: 4,
      optimizerStepsPerRound: 4,
      trainedSteps: { first: [3], last: [1, 2, 3] },
      // s = 1: 4 rows before the fork, none after it. s = 3: 2 rows, then 2 for each of 3 branches.
      samplingEvaluations: 2 * 2 * (4 + 0 + 2 + 2 * 3),
      // Two epochs over 4 samples of 1 and of 3 steps.
      trainingEvaluations: 2 * 2 * 4 * (1 + 3),
    });
  });

  it('should count S = 10, s = 7, B = 4 as 4 + 4 x 6 rows a group', () => {
    const sizes = small('mode: constant, steps: 7', 'numInferenceSteps: 10, numBranches: 4');
    expect(sizes.samplingEvaluations).toBe(4 * 2 * 28);
    // The best and the worst branch of each group, 7 steps.
    expect(sizes.trainingEvaluations).toBe(4 * 2 * 2 * 7);
  });

  it('should count rollouts that share nothing whole', () => {
    const sizes = small(
      'mode: constant, steps: 7',
      'numInferenceSteps: 10, numBranches: 4, forkPlan: independent',
    );
    expect(sizes.samplingEvaluations).toBe(4 * 2 * 4 * 10);
  });

  it('should train an edge that several rollouts share once', () => {
    // Latents before each step, leaves last: 1, 2, 2, 4, 4.
    const sizes = small(
      'mode: constant, steps: 4',
      'numInferenceSteps: 4, numBranches: 2, forkPlan: steps, forkSteps: [0, 2]',
      ['stages.advantages={type: advantages, rule: same-depth}'],
    );
    expect(sizes).toMatchObject({
      imagesPerRound: 8,
      rewardQueries: 32,
      selectableSamples: 8,
      optimizerStepsPerRound: 4,
      samplingEvaluations: 4 * 2 * (1 + 2 + 2 + 4),
      trainingEvaluations: 4 * 2 * (2 + 2 + 4 + 4),
    });
  });

  it('should count a tree that moves with its window', () => {
    // Windows begin at steps 0, 1, 2 and again 0: rows 1 + 3 x 3, 2 + 2 x 3, 3 + 1 x 3, 1 + 3 x 3.
    const sizes = small('mode: window, length: 2', 'numInferenceSteps: 4, numBranches: 3');
    expect(sizes.samplingEvaluations).toBe(2 * (10 + 8 + 6 + 10));
    expect(sizes.trainingEvaluations).toBe(4 * 2 * 2 * 2);
    expect(sizes.trainedSteps).toEqual({ first: [0, 1], last: [2, 3] });
  });

  it('should fork a tree at every trained step', () => {
    // A round each with the last 1, 2, 3 and 4 of 4 steps, two branches at each.
    const sizes = small(
      'mode: sparse, phases: [1, 2, 3, 4]',
      'numInferenceSteps: 4, numBranches: 2, forkPlan: trained-steps',
      ['stages.advantages={type: advantages, rule: same-depth}'],
    );
    expect(sizes.rewardQueries).toBe(2 * (2 + 4 + 8 + 16));
    expect(sizes.samplingEvaluations).toBe(2 * (4 + (3 + 2) + (2 + 2 + 4) + (1 + 2 + 4 + 8)));
    expect(sizes.imagesPerRound).toBe(2 * 2);
    expect(sizes.selectableSamples).toBe(2 * 16);
    // Every edge from the first fork on is trained.
    expect(sizes.trainingEvaluations).toBe(2 * (2 + (2 + 4) + (2 + 4 + 8) + (2 + 4 + 8 + 16)));
  });

  it('should count the transitions that are drawn from a replay buffer', () => {
    const sizes = small('mode: constant, steps: 7', 'numInferenceSteps: 10, numBranches: 4', [
      'stages.trainer.updates={from: replay, capacity: 100, updatesPerRound: 3, transitionsPerUpdate: 20}',
    ]);
    expect(sizes.optimizerStepsPerRound).toBe(3);
    expect(sizes.trainingEvaluations).toBe(4 * 3 * 20);
  });

  it('should count the pictures that are noised anew', () => {
    const sizes = small(
      'mode: constant, steps: 7',
      'numInferenceSteps: 10, numBranches: 4, forkPlan: independent, stochasticSteps: none',
      [
        'stages.advantages={type: advantages, rule: group-z-score}',
        'stages.trainer.surrogate={type: diffusion-nft, timestepsPerSample: 6}',
        'stages.trainer.updates={from: round, samplesPerUpdate: 8, innerEpochs: 2}',
      ],
    );
    expect(sizes.optimizerStepsPerRound).toBe(2);
    // Two epochs over 2 groups of 4 pictures at 6 timesteps.
    expect(sizes.trainingEvaluations).toBe(4 * 2 * 8 * 6);
  });

  it('should count guidance as two evaluations', () => {
    const [guided, plain] = [
      deriveSizes(configOf()),
      deriveSizes(configOf('stages.sampler.guidanceScale=1')),
    ];
    expect(guided.samplingEvaluations).toBe(2 * plain.samplingEvaluations);
    expect(guided.trainingEvaluations).toBe(2 * plain.trainingEvaluations);
    expect(deriveSizes(configOf('stages.sampler.guidanceScale=0'))).toEqual(plain);
  });

  it('should count every branch where the rule keeps all', () => {
    expect(deriveSizes(configOf('stages.advantages.keep=all')).selectableSamples).toBe(128);
    expect(
      deriveSizes(configOf('stages.advantages={type: advantages, rule: per-prompt}')).selectableSamples,
    ).toBe(128);
  });
});
