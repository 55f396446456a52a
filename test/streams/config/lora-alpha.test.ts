/** @file `model.lora.alpha`: the rank, unless a config or the command line says otherwise. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { SMALLEST } from './valid-config.js';

const loraOf = (text: string, overrides: readonly string[] = [], below = '') => {
  const { config, faults } = lintTopology(text, 'config/a.yaml', {
    overrides: [...overrides],
    ...(below && { readText: () => below }),
  });
  expect(faults).toEqual([]);
  const { rank, alpha } = config?.model.lora ?? {};
  return { rank, alpha };
};

describe('model.lora.alpha', () => {
  it('should follow the rank, and stay where it is given', () => {
    expect(loraOf(SMALLEST)).toEqual({ rank: 4, alpha: 4 });
    expect(loraOf(SMALLEST, ['model.lora.rank=8'])).toEqual({ rank: 8, alpha: 8 });
    expect(loraOf(SMALLEST, ['model.lora.alpha=16'])).toEqual({ rank: 4, alpha: 16 });
    expect(loraOf(SMALLEST, ['model.lora={rank: 8, alpha: 4}'])).toEqual({ rank: 8, alpha: 4 });
  });

  it('should follow the rank of a config that is laid over another, and stay where the other gives it', () => {
    const over = 'version: 2\nextends: b.yaml\nname: over\nmodel: { lora: { rank: 16 } }\n';
    expect(loraOf(over, [], SMALLEST)).toEqual({ rank: 16, alpha: 16 });
    const given = SMALLEST.replace('{ pipeline: ', '{ lora: { alpha: 2 }, pipeline: ');
    expect(given).not.toBe(SMALLEST);
    expect(loraOf(over, [], given)).toEqual({ rank: 16, alpha: 2 });
  });

  const presets = ['config', 'config/algorithms'].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => join(folder, name)),
  );
  const topologies = presets.filter((path) => !/(pretrain|study)-/.test(path));
  it.each(topologies)('should be left to the rank by every preset: %s', (path) => {
    const lora = (overrides: string[]) =>
      lintTopology(readFileSync(path, 'utf8'), path, { overrides }).config?.model.lora;
    const own = lora([]);
    expect(own).toMatchObject({ rank: expect.any(Number), alpha: own?.rank });
    expect([4, 8, 32]).toContain(own?.alpha);
    expect(lora(['model.lora.rank=8'])).toMatchObject({ rank: 8, alpha: 8 });
  });
});
