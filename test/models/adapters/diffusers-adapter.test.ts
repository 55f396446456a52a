/**
 * @file What diffusers itself writes, read and written again. The fixtures are made by tools/reference/adapter_loads.py from
 * a tiny UNet with an adapter on layers of every kind; the same script loads what is exported here in diffusers.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromKohya, toKohya } from '../../../src/models/adapters/kohya.js';
import { decodeLoraFile, encodeLoraFile, LORA_FORMATS } from '../../../src/models/adapters/lora-file.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';

const FIXTURE = 'test/fixtures/diffusers-adapter.safetensors';
const bytes = readFileSync(FIXTURE);
const facts = JSON.parse(readFileSync('test/fixtures/diffusers-adapter.json', 'utf8')) as {
  readonly rank: number;
  readonly alpha: number;
  /** Shapes by name, as PEFT names the tensors, and as diffusers converts them to the style of kohya. */
  readonly peft: Readonly<Record<string, readonly number[]>>;
  readonly kohya: Readonly<Record<string, readonly number[]>>;
  /** Every linear layer and convolution of the UNet. */
  readonly modules: readonly string[];
};

describe('an adapter that diffusers wrote', () => {
  it('should have names of two styles, as diffusers has it', () => {
    const names = [...decodeSafetensors(bytes, FIXTURE).tensors.keys()];
    expect(names.some((name) => name.endsWith('.to_q.lora.down.weight'))).toBe(true);
    expect(names.some((name) => name.endsWith('.conv1.lora_A.weight'))).toBe(true);
  });

  it('should be read whole, with its rank and its alpha', () => {
    const layers = decodeLoraFile(bytes, FIXTURE);
    const keys = Object.keys(facts.peft).flatMap((name) => /^(.+)\.lora_A\.weight$/.exec(name)?.[1] ?? []);
    expect(layers.map(({ key }) => key)).toEqual(keys.toSorted());
    expect(new Set(layers.map(({ rank, alpha }) => `${rank} ${alpha}`))).toEqual(
      new Set([`${facts.rank} ${facts.alpha}`]),
    );
  });

  it.each(LORA_FORMATS)('should be written with the names and shapes of diffusers: %s', (format) => {
    const written = encodeLoraFile(decodeLoraFile(bytes, FIXTURE), { format, dtype: 'fp32' });
    const { tensors } = decodeSafetensors(written, 'file');
    expect(Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape]))).toEqual(facts[format]);
    expect(decodeLoraFile(written, 'file')).toEqual(decodeLoraFile(bytes, FIXTURE));
  });

  it('should find every module of the UNet again from its name in the style of kohya', () => {
    expect(facts.modules.length).toBeGreaterThan(80);
    for (const module of facts.modules) {
      const name = `lora_unet_${module.replaceAll('.', '_')}`;
      expect(fromKohya(name)).toBe(`unet.${module}`);
      expect(toKohya(`unet.${module}`)).toBe(name);
    }
  });
});
