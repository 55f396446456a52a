/** @file What diffusers makes of alphas in kohya's style (tools/reference/kohya_alphas.py), and what is said of it. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { alphasThatDiffusersLoses } from '../../../src/models/adapters/kohya.js';
import type { LoraLayer } from '../../../src/models/adapters/lora-layer.js';

const { cases } = JSON.parse(readFileSync('test/fixtures/kohya-alphas.json', 'utf8')) as {
  readonly cases: readonly {
    readonly name: string;
    readonly alphas: Readonly<Record<string, number>>;
    readonly loaded: Readonly<Record<string, number>>;
  }[];
};
const layersOf = (alphas: Readonly<Record<string, number>>) =>
  Object.entries(alphas).map(
    ([module, alpha]): LoraLayer => ({
      key: `unet.${module}`,
      loraA: new Float32Array(2),
      loraB: new Float32Array(2),
      rank: 1,
      alpha,
    }),
  );

describe('alphasThatDiffusersLoses', () => {
  test.each(cases)('should count the layers that diffusers gives another strength: $name', (one) => {
    const lost = Object.keys(one.alphas).filter((module) => one.alphas[module] !== one.loaded[module]);
    const said = alphasThatDiffusersLoses(layersOf(one.alphas));
    if (lost.length === 0) return expect(said).toBe(null);
    expect(said).toContain(
      `the most frequent in the file, for ${lost.length} with another: "unet.${lost[0]} (`,
    );
    expect(said).toContain('write it with --format peft.');
  });

  test('should know cases of both kinds', () => {
    const lost = cases.map(({ alphas, loaded }) => JSON.stringify(alphas) !== JSON.stringify(loaded));
    expect(new Set(lost)).toEqual(new Set([true, false]));
  });
});
