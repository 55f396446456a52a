import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { stageOf } from '../../../src/streams/config/resolved/stage-of.js';
import { firstDifference } from '../../../src/streams/config/source/first-difference.js';
import { isMapping } from '../../../src/streams/config/source/value-tree.js';

const presets = readdirSync('config').filter((name) => /^shapes-.*\.yaml$/.test(name));

/** Every preset that is no row of the study: those state what they were measured with, defaults or not. */
const stated = readdirSync('config').filter((name) =>
  /^(shapes-|sd15-|sdxl-|demo|kafka|studio).*\.yaml$/.test(name),
);

/** Paths of all values below a mapping that are no mappings themselves. */
function leavesOf(value: unknown, path: readonly string[] = []): string[][] {
  return isMapping(value) && Object.keys(value).length > 0
    ? Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, [...path, key]))
    : [[...path]];
}

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

  it.each(stated)('should state only what differs from the defaults, or from what it extends: %s', (name) => {
    const text = readFileSync(`config/${name}`, 'utf8');
    const resolved = configOf(name);
    const redundant = leavesOf(parseDocument(text).toJS()).filter((path) => {
      const word = path.at(-1) ?? '';
      // A word that says which settings stand beside it may be repeated; `--set` then reaches those settings.
      if (path.length === 1 || ['type', 'rule', 'mode', 'from'].includes(word)) return false;
      const document = parseDocument(text);
      document.deleteIn(path);
      const { config } = lintTopology(String(document), `config/${name}`);
      return config !== undefined && firstDifference(config, resolved) === undefined;
    });
    expect(redundant.map((path) => path.join('.'))).toEqual([]);
  });

  it.each(stated)('should open with the schema for editors, and say what it is: %s', (name) => {
    const text = readFileSync(`config/${name}`, 'utf8');
    expect(text).toMatch(/^# yaml-language-server: \$schema=\.\/topology\.schema\.json\n#\n# [A-Z]/);
    if (!/^extends:/m.test(text)) expect(text).toMatch(/docs\/config\.md|are not repeated here/);
  });

  it('should not say that sizes in memory leave the result as it is: sums are taken in another order', () => {
    const files = readdirSync('config', { recursive: true, encoding: 'utf8' });
    const texts = files
      .filter((file) => file.endsWith('.yaml'))
      .map((file) => readFileSync(`config/${file}`, 'utf8'));
    for (const text of texts)
      expect(text.replace(/\n *#/g, '')).not.toMatch(/memory and speed, not the result/);
    expect(texts.join('\n').match(/only\s+(#\s+)?by\s+(#\s+)?rounding/g)).toHaveLength(6);
    expect(readFileSync('config/topology.schema.json', 'utf8')).toContain(
      'the result changes only by rounding',
    );
  });

  it('should lay the demo over shapes-b2-branch, setting by setting', () => {
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
      minibatchSize: 18,
      learningRate: 4.25e-3,
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
