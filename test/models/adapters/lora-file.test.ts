import { describe, expect, test } from 'vitest';
import { decodeLoraFile, encodeLoraFile, type LoraLayer } from '../../../src/models/adapters/lora-file.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsTensor,
} from '../../../src/models/adapters/safetensors.js';
import { encodeFloat16 } from '../../../src/models/numeric/float16.js';

const BLOCK = 'unet.down_blocks.1.attentions.0.transformer_blocks.0';
const numbers = (count: number, from: number) => Float32Array.from({ length: count }, (_, i) => from + i / 4);
const layer = (key: string, rank = 2, alpha = 8): LoraLayer => ({
  key,
  loraA: numbers(rank * 5, 1),
  loraB: numbers(3 * rank, -1),
  rank,
  alpha,
});
const LAYERS = [layer(`${BLOCK}.attn1.to_q`), layer(`${BLOCK}.attn2.to_out.0`)];

const fileOf = (tensors: Record<string, SafetensorsTensor>, adapter?: object) =>
  encodeSafetensors({
    tensors: new Map(Object.entries(tensors)),
    metadata: adapter === undefined ? {} : { lora_adapter_metadata: JSON.stringify(adapter) },
  });
const f32 = (shape: readonly number[]): SafetensorsTensor => ({
  dtype: 'F32',
  shape,
  data: new Float32Array(shape.reduce((product, axis) => product * axis, 1)),
});

describe('encodeLoraFile', () => {
  test('should write the names, shapes and metadata that diffusers reads', () => {
    const { tensors, metadata } = decodeSafetensors(encodeLoraFile(LAYERS), 'file');
    expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      [`${BLOCK}.attn1.to_q.lora_A.weight`, 'F32', [2, 5]],
      [`${BLOCK}.attn1.to_q.lora_B.weight`, 'F32', [3, 2]],
      [`${BLOCK}.attn2.to_out.0.lora_A.weight`, 'F32', [2, 5]],
      [`${BLOCK}.attn2.to_out.0.lora_B.weight`, 'F32', [3, 2]],
    ]);
    const { lora_adapter_metadata: adapter, ...rest } = metadata;
    expect(rest).toEqual({ format: 'pt', rank: '2', alpha: '8' });
    const path = BLOCK.replace('unet.', '');
    expect(JSON.parse(adapter ?? '')).toEqual({
      'unet.r': 2,
      'unet.lora_alpha': 8,
      'unet.lora_dropout': 0,
      'unet.bias': 'none',
      'unet.target_modules': [`${path}.attn1.to_q`, `${path}.attn2.to_out.0`],
    });
  });

  test('should give the same bytes in any order, and read back the layers sorted by key', () => {
    const bytes = encodeLoraFile(LAYERS);
    expect(encodeLoraFile(LAYERS.toReversed())).toEqual(bytes);
    expect(decodeLoraFile(bytes, 'file')).toEqual(LAYERS);
  });

  test.each([
    ['no layers', [], 'expected at least one, got none'],
    [
      'two ranks',
      [layer('unet.a', 2), layer('unet.b', 4)],
      'expected rank 2 and alpha 8 as in unet.a, got 4 and 8',
    ],
    ['two alphas', [layer('unet.a'), layer('unet.b', 2, 1)], 'got 2 and 1'],
    ['a key without a component', [layer('to_q')], 'expected a key such as unet.<module>'],
    ['a key twice', [layer('unet.a'), layer('unet.a')], 'expected each layer once, got it twice'],
    ['half a row', [{ ...layer('unet.a'), loraA: new Float32Array(5) }], 'whole rows of `rank` values'],
  ])('should refuse %s', (_, layers, text) => {
    const fault = expect.objectContaining({ code: 'TRIB_LORA', message: expect.stringContaining(text) });
    expect(() => encodeLoraFile(layers)).toThrow(fault);
  });
});

describe('decodeLoraFile', () => {
  test('should take the rank for alpha where no metadata says otherwise', () => {
    const bytes = fileOf({ 'unet.a.lora_A.weight': f32([4, 5]), 'unet.a.lora_B.weight': f32([3, 4]) });
    expect(decodeLoraFile(bytes, 'file')[0]).toMatchObject({ key: 'unet.a', rank: 4, alpha: 4 });
  });

  test('should read half precision of both kinds', () => {
    const values = [1, -2.5, 0.0078125, 3];
    const half: SafetensorsTensor = { dtype: 'F16', shape: [1, 4], data: encodeFloat16(values) };
    const bits = Uint16Array.from(new Uint32Array(Float32Array.from(values).buffer), (word) => word >>> 16);
    const brain: SafetensorsTensor = { dtype: 'BF16', shape: [4, 1], data: bits };
    const [read] = decodeLoraFile(
      fileOf({ 'unet.a.lora_A.weight': half, 'unet.a.lora_B.weight': brain }),
      'file',
    );
    expect([...(read?.loraA ?? [])]).toEqual(values);
    expect([...(read?.loraB ?? [])]).toEqual(values);
  });

  const pair = { 'unet.a.lora_A.weight': f32([4, 5]), 'unet.a.lora_B.weight': f32([3, 4]) };
  test.each([
    ['another layout', { 'lora_unet_a.lora_down.weight': f32([4, 5]) }, {}, 'lora_down'],
    ['nothing', {}, {}, 'expected at least one layer'],
    ['half a pair', { 'unet.a.lora_A.weight': f32([4, 5]) }, {}, 'got [4, 5] and [missing]'],
    ['unequal ranks', { ...pair, 'unet.a.lora_B.weight': f32([3, 2]) }, {}, 'got [4, 5] and [3, 2]'],
    ['convolutions', { ...pair, 'unet.a.lora_A.weight': f32([4, 5, 3, 3]) }, {}, 'got [4, 5, 3, 3]'],
    ['an alpha for each layer', pair, { 'unet.alpha_pattern': { a: 1 } }, 'alpha_pattern'],
    ['rank-stabilised scales', pair, { 'unet.use_rslora': true }, 'use_rslora'],
    ['an alpha that is no number', pair, { 'unet.lora_alpha': 'big' }, 'expected a number, got "big"'],
  ])('should refuse a file with %s', (_, tensors, adapter, text) => {
    const fault = expect.objectContaining({ code: 'TRIB_LORA', message: expect.stringContaining(text) });
    expect(() => decodeLoraFile(fileOf(tensors, adapter), 'file')).toThrow(fault);
  });
});
