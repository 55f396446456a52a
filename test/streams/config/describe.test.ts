import { describe, expect, it } from 'vitest';
import { deriveSizes } from '../../../src/streams/config/derived-sizes.js';
import { describeTopology } from '../../../src/streams/config/describe.js';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { stageOf } from '../../../src/streams/config/stage-of.js';
import { SMALLEST } from './valid-config.js';

const configOf = (...overrides: string[]) => {
  const { config, faults } = lintTopology(SMALLEST, 'a.yaml', { overrides });
  expect(faults).toEqual([]);
  if (!config) throw new Error('no config');
  return config;
};

describe('deriveSizes', () => {
  it('should follow the arithmetic of a group: the prefix once, then every branch', () => {
    // One stage each of s = 1 and s = 3 in 4 steps; 2 groups of 3 branches; no guidance.
    const config = configOf(
      'stages.schedule={type: intervalSchedule, mode: list, stages: [1, 3]}',
      'stages.prompts={type: prompts, train: t, heldOut: h, groupsPerStage: 2, runAhead: 2, numStages: 2}',
      'stages.sampler={type: branchRollouts, numInferenceSteps: 4, guidanceScale: 1, numBranches: 3, groupsPerBatch: 2}',
      'stages.trainer={type: gradientSteps, samplesPerUpdate: 3, minibatchSize: 3, innerEpochs: 2}',
      'evaluation={trainPrompts: 5, heldOutPrompts: 2, imagesPerPrompt: 3}',
    );
    expect(deriveSizes(config)).toEqual({
      imagesPerStage: 6,
      rewardQueries: 12,
      imagesPerEvaluation: 21,
      selectableSamples: 4,
      optimizerStepsPerStage: 4,
      trainedSteps: { first: 1, last: 3 },
      samplingEvaluations: 2 * (3 + 3 * 1) + 2 * (1 + 3 * 3),
      trainingEvaluations: 4 * 2 * (1 + 3),
    });
  });

  it('should count guidance as two evaluations', () => {
    const [guided, plain] = [
      deriveSizes(configOf()),
      deriveSizes(configOf('stages.sampler.guidanceScale=1')),
    ];
    expect(guided.samplingEvaluations).toBe(2 * plain.samplingEvaluations);
    expect(guided.trainingEvaluations).toBe(2 * plain.trainingEvaluations);
  });

  it('should count every branch where the rule keeps all', () => {
    expect(deriveSizes(configOf('stages.advantages.keep=all')).selectableSamples).toBe(128);
    expect(
      deriveSizes(configOf('stages.advantages={type: groupAdvantages, rule: per-prompt}')).selectableSamples,
    ).toBe(128);
  });
});

describe('describeTopology', () => {
  it('should say what a run amounts to', () => {
    expect(Object.fromEntries(describeTopology(configOf()))).toEqual({
      seed: '7',
      transport: 'in-process',
      engine: 'cpu; 2 threads',
      'images a stage': '128 (32 groups x 4 branches)',
      'reward queries': '3,072 in 24 stages',
      'images an evaluation': '768',
      'trained steps': 'the last 7, growing to 10 of 10',
      'optimizer steps a stage': 'at most 2 (64 samples, innerEpochs 1, 32 samples a step)',
      'UNet evaluations': '54,528 sampling, at most 26,112 training',
    });
  });

  it('should not speak of growth where there is none', () => {
    const config = configOf('stages.schedule={type: intervalSchedule, mode: constant, steps: 10}');
    expect(Object.fromEntries(describeTopology(config))['trained steps']).toBe('the last 10 of 10');
  });
});

describe('stageOf', () => {
  it('should find a stage by its type and keep its name', () => {
    expect(stageOf(configOf(), 'scoreRewards')).toEqual({
      name: 'rewards',
      type: 'scoreRewards',
      model: 'models/shapes/reward',
      batchSize: 32,
    });
  });

  it('should say which one is missing', () => {
    const { rewards: _, ...stages } = configOf().stages;
    expect(() => stageOf({ ...configOf(), stages }, 'scoreRewards')).toThrow(
      'topology "tiny" stages: expected one of type scoreRewards, got none. Add one.',
    );
  });
});
