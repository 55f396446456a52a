import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../../src/streams/config/lint-topology.js';
import { stageOf } from '../../../../src/streams/config/resolved/stage-of.js';
import { SMALLEST, withLine } from '../valid-config.js';

const BASE = withLine(
  'prompts:',
  'prompts: { type: prompts, train: train.txt, heldOut: /data/held-out.txt }',
).replace('model: models/shapes/reward', 'from: module, path: ./judge.mjs');
const TOP = `version: 2
extends: lists/base.yaml
model: { pipeline: tributary:shapes, startFrom: ../adapters/first }
`;
const readText = () => BASE;

const faultsOf = (text: string, ...overrides: string[]) =>
  lintTopology(text, 'mine/top.yaml', { readText, overrides }).faults.map(({ message }) => message);

describe('files that a config names', () => {
  it('should be relative to the file that holds the word, absolute, or in the package', () => {
    const { config } = lintTopology(TOP, 'mine/top.yaml', { readText });
    if (!config) throw new Error('expected a config');
    expect(config.model).toMatchObject({ pipeline: resolve('models/shapes'), startFrom: 'adapters/first' });
    expect(stageOf(config, 'prompts')).toMatchObject({
      train: 'mine/lists/train.txt',
      heldOut: '/data/held-out.txt',
    });
    expect(stageOf(config, 'reward')).toMatchObject({ path: 'mine/lists/judge.mjs' });
  });

  it('should be relative to the working directory where the command line names them', () => {
    const overrides = ['stages.prompts.train=mine.txt', 'stages.reward={type: reward, model: here}'];
    const { config } = lintTopology(TOP, 'mine/top.yaml', { readText, overrides });
    if (!config) throw new Error('expected a config');
    expect(stageOf(config, 'prompts').train).toBe('mine.txt');
    expect(stageOf(config, 'reward')).toMatchObject({ model: 'here' });
  });

  it('should leave a text alone that names no file', () => {
    const text = SMALLEST.replace('name: tiny', 'name: models');
    const { config } = lintTopology(text, 'mine/top.yaml');
    expect(config?.name).toBe('models');
  });

  it.each([
    ['tributary:shape', 'Did you mean "tributary:shapes"?'],
    ['tributary:shapes/../../package.json', 'Write the path of a file without `tributary:`.'],
  ])('should be refused at their place where the package has none: %s', (name, nextStep) => {
    expect(faultsOf(TOP.replace('tributary:shapes', name))).toEqual([
      `mine/top.yaml:3:20 model.pipeline: expected something that the package brings, such as tributary:aesthetic, tributary:shapes, got "${name}". ${nextStep}`,
    ]);
  });

  it('should be found among the presets where a config extends one', () => {
    const extending = (name: string) => `version: 2\nextends: ${name}\nname: mine\n`;
    const { config } = lintTopology(extending('tributary:algorithms/grpo'), 'mine/top.yaml');
    expect(config?.name).toBe('mine');
    expect(faultsOf(extending('tributary:shapes-b2-brunch'))).toEqual([
      'mine/top.yaml:2:10 extends: expected something that the package brings, such as tributary:demo, tributary:kafka, tributary:sd15-b2-branch, got "tributary:shapes-b2-brunch". Did you mean "tributary:shapes-b2-branch"?',
    ]);
  });

  it.each([
    ['shapes-b3', 'Did you mean "tributary:shapes-b2-branch"?'],
    ['sd15-b2', 'Did you mean "tributary:sd15-b2-branch"?'],
    ['grpo', 'Did you mean "tributary:algorithms/grpo"?'],
    ['x', 'Write the path of a file without `tributary:`.'],
    ['', 'Write the path of a file without `tributary:`.'],
  ])('should be suggested by their beginning or their end: tributary:%s', (name, nextStep) => {
    const faults = faultsOf(`version: 2\nextends: "tributary:${name}"\nname: mine\n`);
    expect(faults).toHaveLength(1);
    expect(faults[0]?.endsWith(`got "tributary:${name}". ${nextStep}`)).toBe(true);
  });
});
