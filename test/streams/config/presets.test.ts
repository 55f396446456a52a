import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseDocument, visit } from 'yaml';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { stageOf } from '../../../src/streams/config/resolved/stage-of.js';

const presets = readdirSync('config').filter((name) => /^shapes-.*\.yaml$/.test(name));

const configOf = (name: string) => {
  const { config, faults } = lintTopology(readFileSync(`config/${name}`, 'utf8'), `config/${name}`);
  expect(faults).toEqual([]);
  if (!config) throw new Error(`${name} has no config`);
  return config;
};

describe('presets', () => {
  it('should be three', () => {
    expect(presets).toEqual(['shapes-b2-branch.yaml', 'shapes-b2-release.yaml', 'shapes-ddpo.yaml']);
  });

  it.each(presets)('should lint clean and be named after the file: %s', (name) => {
    expect(configOf(name).name).toBe(name.replace('.yaml', ''));
  });

  it.each(presets)('should write out every field, so that nothing is hidden: %s', (name) => {
    const written: unknown = parseDocument(readFileSync(`config/${name}`, 'utf8')).toJS();
    // Names of topics matter to nobody in process.
    const { topics: _, ...config } = configOf(name);
    // Alpha is left to the rank: written out, it would stay where someone changes the rank.
    const { alpha, ...lora } = config.model.lora;
    expect(alpha).toBe(lora.rank);
    expect(written).toEqual({ ...config, model: { ...config.model, lora } });
  });

  it.each(presets)('should open with the schema for editors and explain itself: %s', (name) => {
    const text = readFileSync(`config/${name}`, 'utf8');
    expect(text).toMatch(/^# yaml-language-server: \$schema=\.\/topology\.schema\.json\n/);
    let numComments = 0;
    visit(parseDocument(text), (_, node) => {
      if (typeof node === 'object' && node !== null && 'commentBefore' in node && node.commentBefore) {
        numComments++;
      }
    });
    expect(numComments).toBeGreaterThan(20);
  });

  it('should not say that sizes in memory leave the result as it is: sums are taken in another order', () => {
    const files = readdirSync('config', { recursive: true, encoding: 'utf8' });
    const texts = files
      .filter((file) => file.endsWith('.yaml'))
      .map((file) => readFileSync(`config/${file}`, 'utf8'));
    for (const text of texts)
      expect(text.replace(/\n *#/g, '')).not.toMatch(/memory and speed, not the result/);
    expect(texts.join('\n').match(/by\n? *#? *rounding alone/g)?.length).toBeGreaterThan(8);
  });

  it('should lay the demo over shapes-ddpo, setting by setting', () => {
    const trainer = stageOf(configOf('demo.yaml'), 'trainer');
    expect(trainer.surrogate).toEqual({ type: 'ddpo-is', clipRange: 2e-3, advClipMax: 1 });
    expect(trainer.updates).toEqual({
      from: 'round',
      innerEpochs: 1,
      samplesPerUpdate: 144,
      remainder: 'train',
    });
    expect(trainer).toMatchObject({
      stepWeighting: 'variance',
      value: { type: 'none' },
      minibatchSize: 72,
      learningRate: 7e-3,
      learningRateSchedule: 'linear',
      loraPlusRatio: 16,
      samplingPolicyDecay: 0,
      maxGradNorm: 1,
    });
  });

  it('should differ where the methods do', () => {
    const [branch, release, ddpo] = presets.map(configOf) as [
      ReturnType<typeof configOf>,
      ReturnType<typeof configOf>,
      ReturnType<typeof configOf>,
    ];
    expect(stageOf(branch, 'advantages').rule).toBe('branch-centered');
    expect(stageOf(release, 'advantages')).toMatchObject({
      rule: 'history',
      historyRounds: 8,
      bestThreshold: 0.5,
      worstThreshold: -0.5,
      stdFloor: 0,
    });
    expect(stageOf(release, 'trainer')).toMatchObject({
      surrogate: { type: 'ddpo-is', clipRange: 0.1 },
      updates: { from: 'round', innerEpochs: 2 },
    });
    expect(stageOf(ddpo, 'advantages').rule).toBe('per-prompt');
    expect(stageOf(ddpo, 'sampler').numBranches).toBe(1);
    expect(stageOf(ddpo, 'schedule')).toMatchObject({
      mode: 'constant',
      steps: stageOf(ddpo, 'sampler').numInferenceSteps,
    });
  });
});
