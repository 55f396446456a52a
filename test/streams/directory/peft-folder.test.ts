/**
 * @file Folders of PEFT's save_pretrained: the scale of every layer comes from adapter_config.json. The right values are what
 * PEFT's own layers add to their weights (tools/reference/peft_folder.py).
 */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeAdapterFile } from '../../../src/models/adapters/adapter-file.js';
import { decodeLoraFile, encodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { adapterChanges, loraChange } from '../../../src/models/graph/weights/weight-change.js';
import { adapterPathOf } from '../../../src/streams/directory/adapter-path.js';
import { readAdapterFile, readPolicy } from '../../../src/streams/directory/read-adapter.js';
import { largestDifference } from '../../fixtures/run-model.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

/** Folders of other adapters than LoRA, and what refuses to train them calls them. */
const OTHERS = [
  ['loha', 'LoHa'],
  ['loha-kernels', 'LoHa'],
  ['lokr', 'LoKr'],
  ['lokr-whole', 'LoKr'],
  ['dora', 'DoRA'],
] as const;
const CASES = ['scaled', 'root-scaled', 'patterns', 'root-scaled-patterns'];
const fixture = (name: string) => join('test/fixtures/peft', name);

/** A copy of a fixture with fields of its configuration replaced. */
async function folderWith(fields: object): Promise<string> {
  const folder = await temporaryFolder();
  await cp(fixture('scaled'), folder, { recursive: true });
  const path = join(folder, 'adapter_config.json');
  const config = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...config, ...fields }));
  return folder;
}

describe('an adapter that PEFT wrote', () => {
  test.each(CASES)('should add what PEFT adds to every layer: %s', async (name) => {
    const { path, bytes, beside } = await readAdapterFile(fixture(name), () => expect.unreachable());
    const layers = decodeLoraFile(bytes, path, beside);
    const { tensors } = decodeSafetensors(await readFile(join(fixture(name), 'deltas.safetensors')), name);
    expect(layers.map(({ key }) => key)).toEqual([...tensors.keys()].map((key) => `unet.${key}`).toSorted());
    const { adapter } = await readPolicy(fixture(name));
    for (const read of [layers, adapter?.stored ?? []]) {
      for (const layer of read) {
        const wanted = tensors.get(layer.key.replace('unet.', ''))?.data as Float32Array;
        const added = new Float32Array(wanted.length);
        loraChange(layer).apply(added, 'kernels', []);
        const away = added.map((value, i) => Math.abs(value - (wanted[i] ?? 0)));
        expect(Math.max(...away), layer.key).toBeLessThan(1e-5 * Math.max(1, ...wanted.map(Math.abs)));
      }
    }
  });

  test.each(OTHERS)('should change every layer as PEFT does, where that is not LoRA: %s', async (name) => {
    const { path, bytes, beside } = await readAdapterFile(fixture(name), () => expect.unreachable());
    const { tensors } = decodeSafetensors(await readFile(join(fixture(name), 'deltas.safetensors')), name);
    const content = decodeAdapterFile(bytes, path, beside);
    const { unet: changes = [] } = adapterChanges([{ content, strength: 1 }]);
    expect(changes).toHaveLength(8);
    for (const { name: parameter, shapeIn, apply } of changes) {
      const module = parameter.replace(/\.weight$/, '');
      const { shape = [], data: wanted } = tensors.get(module) ?? {};
      const base = (tensors.get(`base.${module}`)?.data ??
        new Float32Array(wanted?.length ?? 0)) as Float32Array;
      expect(shapeIn('kernels', shape)).toEqual(shape);
      const weight = base.slice();
      apply(weight, 'kernels', shape);
      const added = weight.map((value, i) => value - (base[i] ?? 0));
      const size = Math.max(...(wanted as Float32Array).map(Math.abs));
      expect(largestDifference(added, wanted as Float32Array), module).toBeLessThan(1e-5 * Math.max(1, size));
      expect(size).toBeGreaterThan(0.5);
    }
  });

  test.each(OTHERS)('should refuse to train it by its name: %s', async (name, kind) => {
    await expect(readPolicy(fixture(name))).rejects.toMatchObject({
      code: 'TRIB_LORA',
      message: expect.stringMatching(
        `adapter_model.safetensors: expected LoRA for all layers, got ${kind} for 8: .* tributary merge `,
      ),
    });
  });

  test('should not guess the scale of LoKr with whole factors without adapter_config.json', async () => {
    const path = join(await temporaryFolder(), 'adapter_model.safetensors');
    await cp(join(fixture('lokr-whole'), 'adapter_model.safetensors'), path);
    await expect(readPolicy(path)).rejects.toThrow(
      'expected adapter_config.json beside it, which has the scale of LoKr with two whole factors, got none.',
    );
  });

  test('should take the rank for alpha without adapter_config.json, and say so once', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'adapter_model.safetensors');
    await cp(join(fixture('patterns'), 'adapter_model.safetensors'), path);
    const { adapter, warnings } = await readPolicy(path);
    expect(warnings).toEqual([
      `${path}: nothing says the alpha of any layer; it is taken to be the rank, 1 or 2 or 3, as diffusers does. If it was another in training, put the adapter_config.json of that run beside the file.`,
    ]);
    expect(adapter).toMatchObject({ rank: 3, alpha: 3 });
  });

  test('should not take the configuration for an adapter of other names beside it', async () => {
    const folder = await folderWith({});
    const layer = { key: 'unet.a', loraA: Float32Array.of(1), loraB: Float32Array.of(1), rank: 1, alpha: 5 };
    const path = join(folder, 'other.safetensors');
    await writeFile(path, encodeLoraFile([layer]));
    expect(await readPolicy(path)).toMatchObject({ warnings: [], adapter: { rank: 1, alpha: 5 } });
  });

  test.each([
    ['peft_type', 'VERA', 'expected LORA, LOHA or LOKR, got "VERA"'],
    ['peft_type', 'LOHA', 'expected the kind of the tensors, got "LOHA": there are none of that kind'],
    ['use_dora', true, 'expected false, got true: a formula that is not known'],
    ['use_qalora', true, 'expected false, got true: a formula that is not known'],
    ['bias', 'lora_only', 'expected "none", got "lora_only": biases'],
    ['lora_bias', true, 'expected false, got true: a bias of B'],
    ['modules_to_save', ['conv_out'], 'expected null, got ["conv_out"]: layers that were trained in full'],
    ['layer_replication', [[0, 4]], 'expected null, got [[0,4]]: layers that occur several times'],
    ['megatron_config', {}, 'expected null, got {}: layers that are split over devices'],
    ['trainable_token_indices', [1], 'expected null, got [1]: token embeddings'],
    ['alora_invocation_tokens', [1], 'expected null, got [1]: an adapter that certain tokens turn on'],
    ['target_parameters', ['w'], 'expected null, got ["w"]: parameters beside'],
    [
      'init_lora_weights',
      'pissa_niter_16',
      'a start that leaves the base model unchanged, got "pissa_niter_16"',
    ],
    ['lora_alpha', null, 'expected a number, got nothing'],
    ['lora_alpha', 0, 'expected a number above 0, got 0'],
    ['alpha_pattern', { to_q: 'big' }, 'expected numbers by module, got {"to_q":"big"}'],
    ['alpha_pattern', { '(': 1 }, 'expected patterns that are regular expressions, got "("'],
    [
      'alpha_pattern',
      { 'blocks.0.to_q\\Z': 1 },
      'expected patterns that are regular expressions, got "blocks',
    ],
    ['alpha_pattern', { '(o|to)+_q': 1 }, 'patterns without repeated groups and with at most 3 repetitions'],
    ['alpha_pattern', { '.*.*.*.*q': 1 }, 'patterns without repeated groups and with at most 3 repetitions'],
    ['rank_pattern', { to_q: 5 }, 'expected the rank 2 that "unet.blocks.0.to_q" has, got 5'],
  ])('should refuse by name what it cannot stand for: %s %j', async (field, value, text) => {
    const folder = await folderWith({ [field]: value });
    const name = field === 'rank_pattern' ? 'r' : field;
    await expect(readPolicy(folder)).rejects.toMatchObject({
      code: 'TRIB_LORA',
      message: expect.stringContaining(`LoRA file ${join(folder, 'adapter_config.json')} ${name}: `),
    });
    await expect(readPolicy(folder)).rejects.toThrow(text);
  });

  test.each([
    ['fan_in_fan_out', true],
    ['init_lora_weights', 'gaussian'],
    ['modules_to_save', []],
    ['lora_dropout', 0.5],
    ['a_field_of_a_later_version', null],
  ])('should not mind what does not change the meaning: %s %j', async (field, value) => {
    const { adapter } = await readPolicy(await folderWith({ [field]: value }));
    expect(adapter).toMatchObject({ rank: 2, alpha: 8 });
  });

  test('should refuse a configuration that is none', async () => {
    const folder = await folderWith({});
    await writeFile(join(folder, 'adapter_config.json'), '[');
    await expect(readPolicy(folder)).rejects.toThrow(
      `LoRA file ${join(folder, 'adapter_config.json')}: expected an object in JSON, got 1 characters that are not.`,
    );
  });
});

describe('a folder in the place of an adapter', () => {
  test('should be refused where it holds those of two programs', async () => {
    const folder = await folderWith({});
    await writeFile(join(folder, 'pytorch_lora_weights.safetensors'), '');
    await expect(adapterPathOf(folder)).rejects.toMatchObject({ code: 'TRIB_USAGE' });
    await expect(adapterPathOf(folder)).rejects.toThrow(
      'adapter_model.safetensors. Name the one that you mean.',
    );
  });

  test('should be refused with the reason where it holds a pickle alone', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'adapter_model.bin'), Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 8, 8));
    await expect(readPolicy(folder)).rejects.toThrow('adapter_model.bin: expected safetensors, got a pickle');
  });
});
