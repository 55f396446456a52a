/** @file The presets for Stable Diffusion 1.5 against what their papers and programs say. */

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { deriveSizes } from '../../../src/streams/config/resolved/derived-sizes.js';
import { stageOf } from '../../../src/streams/config/resolved/stage-of.js';
import { promptTexts } from '../../fixtures/listed-prompts.js';
import { SD15_NAMES, type Sd15Preset } from '../../fixtures/sd15-presets.js';

const textOf = (name: string) => readFileSync(`config/${name}.yaml`, 'utf8');

function configOf(name: Sd15Preset) {
  const { config, faults } = lintTopology(textOf(name), `config/${name}.yaml`);
  expect(faults).toEqual([]);
  if (!config) throw new Error(`${name} has no config`);
  return config;
}

const stepsFrom = (first: number, end: number) => Array.from({ length: end - first }, (_, i) => first + i);

/** Pictures a stage and a run, optimizer steps a stage at most, sampler steps, guidance and clip range. */
const FIGURES: Readonly<Record<Sd15Preset, readonly number[]>> = {
  'sd15-b2-branch': [1280, 128_000, 8, 20, 5, 1e-4],
  'sd15-b2-release': [1280, 128_000, 8, 20, 5, 0.1],
  'sd15-ddpo-aesthetic': [256, 51_200, 2, 50, 5, 1e-4],
  'sd15-ddpo-compressibility': [256, 25_600, 4, 50, 5, 1e-4],
  'sd15-dpok': [10, 20_000, 5, 50, 7.5, 1e-4],
};

/** Prompts to train on and held out. */
const LISTS: Readonly<Record<string, readonly [train: number, heldOut: number]>> = {
  'b2-template1': [45, 90],
  'b2-template2': [40, 40],
  'b2-template3': [40, 30],
  'ddpo-imagenet-animals': [398, 50],
  'ddpo-simple-animals': [45, 38],
  'dpok-color': [1, 8],
  'dpok-composition': [1, 8],
  'dpok-count': [1, 8],
  'dpok-location': [1, 8],
};

const listsOf = async (name: string) => ({
  train: await promptTexts(`config/prompts/${name}-train.txt`),
  heldOut: await promptTexts(`config/prompts/${name.startsWith('dpok') ? 'dpok' : name}-held-out.txt`),
});

describe('presets for Stable Diffusion 1.5', () => {
  it('should all be here', () => {
    const files = readdirSync('config').filter((file) => file.startsWith('sd15-'));
    expect(files.sort()).toEqual(SD15_NAMES.map((name) => `${name}.yaml`));
  });

  it.each(SD15_NAMES)('should lint clean where no model is, and be named after the file: %s', (name) => {
    const config = configOf(name);
    expect(config.name).toBe(name);
    expect(config.model.pipeline).toBe('models/stable-diffusion-v1-5');
    expect(textOf(name)).toMatch(/^# yaml-language-server: \$schema=\.\/topology\.schema\.json\n/);
  });

  it.each(SD15_NAMES)("should come to the paper's figures: %s", (name) => {
    const config = configOf(name);
    const { imagesPerRound, rewardQueries, optimizerStepsPerRound } = deriveSizes(config);
    const { numInferenceSteps, guidanceScale } = stageOf(config, 'sampler');
    const { surrogate } = stageOf(config, 'trainer');
    const clipRange = 'clipRange' in surrogate ? surrogate.clipRange : undefined;
    expect([
      imagesPerRound,
      rewardQueries,
      optimizerStepsPerRound,
      numInferenceSteps,
      guidanceScale,
      clipRange,
    ]).toEqual(FIGURES[name]);
  });

  it.each(SD15_NAMES)('should train the steps that the paper trains: %s', (name) => {
    const { first, last } = deriveSizes(configOf(name)).trainedSteps;
    const isB2 = name.startsWith('sd15-b2');
    expect(first).toEqual(isB2 ? stepsFrom(6, 20) : stepsFrom(0, 50));
    expect(last).toEqual(isB2 ? stepsFrom(0, 20) : stepsFrom(0, 50));
  });

  it("should weigh and replay as DPOK's command for a single prompt does", () => {
    expect(stageOf(configOf('sd15-dpok'), 'trainer')).toMatchObject({
      surrogate: { type: 'dpok', rewardWeight: 10, klWeight: 0.01, kl: 'eps-mse' },
      updates: { from: 'replay', capacity: 1000, transitionsPerUpdate: 32, drawsPerUpdate: 8 },
      value: {
        type: 'network',
        learningRate: 1e-4,
        hidden: 256,
        batchSize: 256,
        stepsPerRound: 1,
        batchesPerStep: 5,
      },
      learningRate: 1e-5,
      weightDecay: 0,
      maxGradNorm: 0.1,
    });
  });

  it('should differ between the two of DDPO where their tasks do', () => {
    const rulesOf = (name: Sd15Preset) => stageOf(configOf(name), 'advantages');
    expect(rulesOf('sd15-ddpo-aesthetic')).toMatchObject({ bufferSize: 32, minCount: 16 });
    expect(rulesOf('sd15-ddpo-compressibility')).toMatchObject({ bufferSize: 16, minCount: 16 });
    const rewardsOf = (name: Sd15Preset) => stageOf(configOf(name), 'reward');
    expect(rewardsOf('sd15-ddpo-aesthetic').from).toBe('aesthetic');
    expect(rewardsOf('sd15-ddpo-compressibility')).toMatchObject({
      from: 'jpeg-compressibility',
      quality: 95,
    });
  });
});

describe('config/prompts', () => {
  it.each(Object.keys(LISTS))('should hold %s: no prompt twice, none of both lists', async (name) => {
    const { train, heldOut } = await listsOf(name);
    expect([train.length, heldOut.length]).toEqual(LISTS[name]);
    expect(new Set([...train, ...heldOut]).size).toBe(train.length + heldOut.length);
  });

  it.each(readdirSync('config/prompts'))('should name the origin of %s', (file) => {
    expect(readFileSync(`config/prompts/${file}`, 'utf8')).toMatch(
      /^# .*arXiv|^# .*\n# .*arXiv|imagenet_classes/,
    );
  });

  it.each(SD15_NAMES)('should hold the lists of %s', async (name) => {
    const { train, heldOut } = stageOf(configOf(name), 'prompts');
    expect((await promptTexts(train)).length).toBeGreaterThan(0);
    expect((await promptTexts(heldOut)).length).toBeGreaterThan(0);
  });

  it('should pair every animal of template 1 with every activity once', async () => {
    const { train, heldOut } = await listsOf('b2-template1');
    const animals = new Set(train.map((prompt) => prompt.split(' ')[1]));
    const pairs = [...animals].flatMap((animal) =>
      ['washing dishes', 'riding a bike', 'playing chess'].map((activity) => `a ${animal} ${activity}`),
    );
    expect([...train, ...heldOut].sort()).toEqual(pairs.sort());
  });
});
