import { describe, expect, test } from 'vitest';
import { decodeLoraFile, encodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import type { LoraLayer } from '../../../src/models/adapters/lora-layer.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsTensor,
} from '../../../src/models/files/safetensors.js';
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

  test('should name modules of text encoders so that they have these ends with any transformers', () => {
    const [one, other] = ['q', 'k'].map((name) => `encoder.layers.0.self_attn.${name}_proj`);
    const key = (path: string | undefined) => `text_encoder.text_model.${path}`;
    const layers = [layer(key(other), 2), layer(key(one), 2, 5)];
    const bytes = encodeLoraFile(layers);
    const { tensors, metadata } = decodeSafetensors(bytes, 'file');
    expect([...tensors.keys()]).toContain(`${key(one)}.lora_A.weight`);
    expect(JSON.parse(metadata.lora_adapter_metadata ?? '')).toMatchObject({
      'text_encoder.target_modules': [other, one],
      'text_encoder.alpha_pattern': { [one ?? '']: 5 },
    });
    expect(decodeLoraFile(bytes, 'file')).toEqual(layers);
  });

  test('should name ranks and alphas that differ as PEFT does, and read them back', () => {
    const layers = [layer('unet.a', 2), layer('unet.b', 4, 1), layer('text_encoder.c', 3, 6)];
    const bytes = encodeLoraFile(layers);
    const { metadata } = decodeSafetensors(bytes, 'file');
    expect(metadata).not.toHaveProperty('rank');
    expect(JSON.parse(metadata.lora_adapter_metadata ?? '')).toMatchObject({
      'unet.r': 2,
      'unet.rank_pattern': { b: 4 },
      'unet.lora_alpha': 8,
      'unet.alpha_pattern': { b: 1 },
      'text_encoder.r': 3,
      'text_encoder.lora_alpha': 6,
    });
    expect(decodeLoraFile(bytes, 'file')).toEqual([layers[2], layers[0], layers[1]]);
  });

  test.each([
    ['no layers', [], 'expected at least one, got none'],
    ['a key without a component', [layer('to_q')], 'expected a key such as unet.<module>'],
    ['a key twice', [layer('unet.a'), layer('unet.a')], 'expected each layer once, got it twice'],
    ['half a row', [{ ...layer('unet.a'), loraA: new Float32Array(5) }], 'whole rows of `rank` values'],
    [
      'half a kernel',
      [{ ...layer('unet.a'), loraA: new Float32Array(8), kernel: [3, 3] as const }],
      'whole rows of `rank` values',
    ],
  ])('should refuse %s', (_, layers, text) => {
    const fault = expect.objectContaining({ code: 'TRIB_LORA', message: expect.stringContaining(text) });
    expect(() => encodeLoraFile(layers)).toThrow(fault);
  });
});

describe('decodeLoraFile', () => {
  test('should take the rank as alpha if no metadata says otherwise', () => {
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

  test.each<[string, SafetensorsTensor]>([
    ['F64', { dtype: 'F64', shape: [], data: Float64Array.of(3) }],
    ['I64', { dtype: 'I64', shape: [], data: BigInt64Array.of(3n) }],
    ['F16', { dtype: 'F16', shape: [1], data: encodeFloat16([3]) }],
    ['BF16', { dtype: 'BF16', shape: [1, 1], data: Uint16Array.of(0x4040) }],
  ])('should read an alpha that is stored as %s', (_, alpha) => {
    const bytes = fileOf({
      'lora_unet_input_blocks_4_1_proj_in.lora_down.weight': f32([4, 5]),
      'lora_unet_input_blocks_4_1_proj_in.lora_up.weight': f32([3, 4]),
      'lora_unet_input_blocks_4_1_proj_in.alpha': alpha,
    });
    expect(decodeLoraFile(bytes, 'file')[0]).toMatchObject({
      key: 'unet.down_blocks.1.attentions.0.proj_in',
      alpha: 3,
    });
  });

  test('should read matrices in double precision, rounded', () => {
    const data = Float64Array.of(1, 1 / 3);
    const [read] = decodeLoraFile(
      fileOf({
        'unet.a.lora_A.weight': { dtype: 'F64', shape: [1, 2], data },
        'unet.a.lora_B.weight': f32([1, 1]),
      }),
      'file',
    );
    expect(read?.loraA).toEqual(Float32Array.from(data));
  });

  test('should join the parts of a convolution in three: A and the middle kernel', () => {
    const values = (shape: readonly number[], data: readonly number[]): SafetensorsTensor => ({
      dtype: 'F32',
      shape,
      data: Float32Array.from(data),
    });
    const middle = Array.from({ length: 2 * 2 * 3 }, (_, i) => i + 1);
    const [read] = decodeLoraFile(
      fileOf({
        'lora_unet_conv_in.lora_down.weight': values([2, 1, 1, 1], [10, 100]),
        'lora_unet_conv_in.lora_mid.weight': values([2, 2, 1, 3], middle),
        'lora_unet_conv_in.lora_up.weight': values([3, 2, 1, 1], [1, 2, 3, 4, 5, 6]),
      }),
      'file',
    );
    // Row r, place p: 10 M[r, 0, p] + 100 M[r, 1, p].
    expect(read).toEqual({
      key: 'unet.conv_in',
      loraA: Float32Array.of(410, 520, 630, 1070, 1180, 1290),
      loraB: Float32Array.of(1, 2, 3, 4, 5, 6),
      rank: 2,
      alpha: 2,
      kernel: [1, 3],
    });
  });

  test('should read alphas and ranks that the metadata gives module by module, and the scale by the root', () => {
    const pairOf = (key: string, rank: number) => ({
      [`unet.${key}.lora_A.weight`]: f32([rank, 5]),
      [`unet.${key}.lora_B.weight`]: f32([3, rank]),
    });
    const tensors = { ...pairOf('mid.to_q', 4), ...pairOf('mid.to_k', 2), ...pairOf('up.to_q', 4) };
    const adapter = {
      'unet.r': 4,
      'unet.rank_pattern': { to_k: 2 },
      'unet.lora_alpha': 8,
      'unet.alpha_pattern': { 'mid.to_q': 1 },
    };
    const alphas = (more: object) =>
      decodeLoraFile(fileOf(tensors, { ...adapter, ...more }), 'file').map(({ key, alpha }) => [key, alpha]);
    expect(alphas({})).toEqual([
      ['unet.mid.to_k', 8],
      ['unet.mid.to_q', 1],
      ['unet.up.to_q', 8],
    ]);
    expect(alphas({ 'unet.use_rslora': true })).toEqual([
      ['unet.mid.to_k', 8 * Math.SQRT2],
      ['unet.mid.to_q', 2],
      ['unet.up.to_q', 16],
    ]);
  });

  test('should read the names that diffusers wrote before PEFT, and those of a bare PEFT model', () => {
    const tensors = {
      'mid_block.attentions.0.attn1.processor.to_out_lora.down.weight': f32([4, 5]),
      'mid_block.attentions.0.attn1.processor.to_out_lora.up.weight': f32([3, 4]),
      'unet.mid_block.attentions.0.attn2.to_q.lora.down.weight': f32([4, 5]),
      'unet.mid_block.attentions.0.attn2.to_q.lora.up.weight': f32([3, 4]),
      'base_model.model.up_blocks.0.attn1.to_k.lora_A.weight': f32([4, 5]),
      'base_model.model.up_blocks.0.attn1.to_k.lora_B.weight': f32([3, 4]),
    };
    expect(decodeLoraFile(fileOf(tensors), 'file').map(({ key }) => key)).toEqual([
      'unet.mid_block.attentions.0.attn1.to_out.0',
      'unet.mid_block.attentions.0.attn2.to_q',
      'unet.up_blocks.0.attn1.to_k',
    ]);
  });

  const pair = { 'unet.a.lora_A.weight': f32([4, 5]), 'unet.a.lora_B.weight': f32([3, 4]) };
  const kohya = { 'lora_unet_a.lora_down.weight': f32([4, 5]), 'lora_unet_a.lora_up.weight': f32([3, 4]) };
  test.each([
    ['a name of no style', { ...pair, 'unet.a.weight': f32([3, 5]) }, {}, 'got "unet.a.weight"'],
    ['half a LoHa', { 'lora_unet_a.hada_w1_a': f32([4, 5]) }, {}, 'got [4, 5] and [missing]'],
    ['DoRA', { ...kohya, 'lora_unet_a.dora_scale': f32([1, 5]) }, {}, 'got DoRA for 1: "unet.a". Merge'],
    [
      'a whole checkpoint',
      { 'model.diffusion_model.x.weight': f32([1]) },
      {},
      'a whole checkpoint. Name it as the pipeline',
    ],
    ['nothing', {}, {}, 'expected at least one layer'],
    ['half a pair', { 'unet.a.lora_A.weight': f32([4, 5]) }, {}, 'unet.a: expected A [rank, in]'],
    ['half a pair', { 'lora_unet_a.alpha': f32([]) }, {}, 'got [missing] and [missing]'],
    ['unequal ranks', { ...pair, 'unet.a.lora_B.weight': f32([3, 2]) }, {}, 'got [4, 5] and [3, 2]'],
    [
      'no rank',
      { 'unet.a.lora_A.weight': f32([0, 5]), 'unet.a.lora_B.weight': f32([3, 0]) },
      {},
      'got [0, 5]',
    ],
    ['three axes', { ...pair, 'unet.a.lora_A.weight': f32([4, 5, 3]) }, {}, 'got [4, 5, 3] and [3, 4]'],
    [
      'a wide kernel on the way up',
      { 'unet.a.lora_A.weight': f32([4, 5, 1, 1]), 'unet.a.lora_B.weight': f32([3, 4, 3, 3]) },
      {},
      'got [4, 5, 1, 1] and [3, 4, 3, 3]',
    ],
    ['a layer in two styles', { ...pair, ...kohya }, {}, 'unet.a: expected each layer once'],
    [
      'an alpha of 0',
      { ...kohya, 'lora_unet_a.alpha': f32([]) },
      {},
      'a.alpha: expected one number above 0, got [0]',
    ],
    ['many alphas', { ...kohya, 'lora_unet_a.alpha': f32([2]) }, {}, 'got [0, 0]'],
    ['another rank in the metadata', pair, { 'unet.r': 8 }, 'expected the rank 4 that "unet.a" has, got 8'],
    ['an alpha that is no number', pair, { 'unet.lora_alpha': 'big' }, 'expected a number, got "big"'],
    [
      'patterns whose order is lost',
      { 'unet.a.0.lora_A.weight': f32([4, 5]), 'unet.a.0.lora_B.weight': f32([3, 4]) },
      { 'unet.alpha_pattern': { 'a.0': 8, 0: 4 } },
      'alpha_pattern: expected one pattern for "a.0", got "0" and "a.0". Keep one of them.',
    ],
    ['a pattern that is none', pair, { 'unet.alpha_pattern': { '(': 1 } }, 'regular expressions, got "("'],
  ])('should refuse a file with %s', (_, tensors, adapter, text) => {
    const fault = expect.objectContaining({ code: 'TRIB_LORA', message: expect.stringContaining(text) });
    expect(() =>
      decodeLoraFile(fileOf(tensors as Record<string, SafetensorsTensor>, adapter), 'file'),
    ).toThrow(fault);
  });

  test('should say what a file is before it speaks of the types in it', () => {
    const bytes = fileOf({ 'model.diffusion_model.x': f32([1]) }, {});
    const text = new TextDecoder('latin1').decode(bytes).replace('"F32"', '"I32"');
    expect(() => decodeLoraFile(Buffer.from(text, 'latin1'), 'file')).toThrow('a whole checkpoint');
  });
});
