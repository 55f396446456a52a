/** @file What diffusers does not read of files in kohya's style (tools/reference/kohya_alphas.py, findings), and what is said. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { alphasThatDiffusersLoses, layersThatDiffusersLoses } from '../../../src/models/adapters/kohya.js';
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

describe('layersThatDiffusersLoses', () => {
  const named = (...keys: string[]) =>
    keys.map((key): LoraLayer => ({ ...(layersOf({ '': 1 })[0] as LoraLayer), key }));
  const of = (encoder: string, part: string) => `${encoder}.text_model.encoder.layers.0.${part}`;

  test('should be those of an encoder without an output projection, as in findings/text-encoder-out-proj.sh', () => {
    const whole = ['q_proj', 'out_proj'].map((part) => of('text_encoder', `self_attn.${part}`));
    expect(layersThatDiffusersLoses(named(...whole, 'unet.mid_block.attentions.0.to_q'))).toBe(null);
    expect(layersThatDiffusersLoses(named(of('text_encoder', 'mlp.fc1')))).toBe(null);
    const parts = ['self_attn.q_proj', 'self_attn.v_proj', 'mlp.fc1'].map((part) =>
      of('text_encoder_2', part),
    );
    const said = layersThatDiffusersLoses(named(...whole, ...parts));
    expect(said).toContain(`2 layers here, such as "${parts[0]}", "${parts[1]}"`);
    expect(said).toContain('write it with --format peft.');
  });
});
