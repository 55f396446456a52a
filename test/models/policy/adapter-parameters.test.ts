import { describe, expect, it } from 'vitest';
import { decodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import { encodeSafetensors, type SafetensorsTensor } from '../../../src/models/files/safetensors.js';
import type { Adapter } from '../../../src/models/graph/weights/lora.js';
import {
  adapterParameters,
  decodeAdapter,
  encodeParameters,
  initialParameters,
} from '../../../src/models/policy/adapter-parameters.js';

const LORA = { pattern: 'to_q', rank: 2, alpha: 3 };
const adapter = (
  layer: string,
  inFeatures: number,
  outFeatures: number,
  kernel?: readonly [number, number],
): Adapter => ({
  layer,
  inFeatures,
  outFeatures,
  ...(kernel && { kernel }),
  inputA: `${layer}.lora_A`,
  inputB: `${layer}.lora_B`,
});
const ADAPTERS = [adapter('down.attn1.to_q', 3, 4), adapter('mid.attn2.to_k', 5, 1)];

describe('initialParameters', () => {
  it('should start with B zero and A of standard deviation 1 / rank', () => {
    const [wide] = [adapter('wide', 5000, 3)];
    const parameters = initialParameters([wide as Adapter], LORA, 1);
    expect(parameters['wide.lora_B']).toEqual(new Float32Array(6));
    const values = parameters['wide.lora_A'] ?? new Float32Array();
    expect(values).toHaveLength(10_000);
    expect(values.reduce((sum, value) => sum + value ** 2, 0) / 10_000).toBeCloseTo(1 / 4, 1);
  });

  it('should depend on the seed and the place of the layer', () => {
    const first = initialParameters(ADAPTERS, LORA, 1);
    expect(initialParameters(ADAPTERS, LORA, 1)).toEqual(first);
    expect(initialParameters(ADAPTERS, LORA, 2)).not.toEqual(first);
    expect(first['mid.attn2.to_k.lora_A']?.slice(0, 4)).not.toEqual(
      first['down.attn1.to_q.lora_A']?.slice(0, 4),
    );
  });
});

describe('an adapter file', () => {
  const parameters = {
    'down.attn1.to_q.lora_A': Float32Array.of(1, 2, 3, 4, 5, 6), // [3, 2]
    'down.attn1.to_q.lora_B': Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), // [2, 4]
    'mid.attn2.to_k.lora_A': Float32Array.from({ length: 10 }, (_, i) => i),
    'mid.attn2.to_k.lora_B': Float32Array.of(-1, -2),
  };
  const bytes = encodeParameters({ component: 'unet', adapters: ADAPTERS }, parameters, LORA);

  it('should come back as it was', () => {
    const read = decodeAdapter(bytes, 'adapter');
    expect(read).toMatchObject({
      rank: 2,
      alpha: 3,
      layers: ['down.attn1.to_q', 'mid.attn2.to_k'],
      hasOneRank: true,
    });
    expect(adapterParameters(read, ADAPTERS, 'adapter')).toEqual(parameters);
  });

  it('should hold the transposes, under the names of diffusers', () => {
    const layers = decodeLoraFile(bytes, 'adapter');
    expect(layers.map(({ key }) => key)).toEqual(['unet.down.attn1.to_q', 'unet.mid.attn2.to_k']);
    expect(layers[0]).toMatchObject({
      loraA: Float32Array.of(1, 3, 5, 2, 4, 6), // [rank, in]
      loraB: Float32Array.of(1, 5, 2, 6, 3, 7, 4, 8), // [out, rank]
    });
  });
});

describe('layers that a file stores in another rank', () => {
  const [A, B] = [Float32Array.of(1, 2, 3, 4, 5, 6), Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)];
  const fileOf = (a: readonly number[], b: readonly number[]) => {
    const size = (shape: readonly number[]) => shape.reduce((product, axis) => product * axis, 1);
    const tensor = (shape: readonly number[], values: Float32Array): SafetensorsTensor => ({
      dtype: 'F32',
      shape,
      data: Float32Array.from({ length: size(shape) }, (_, i) => values[i] ?? 0),
    });
    const tensors = new Map([
      ['lora_unet_mid_block_attentions_0_proj_in.lora_down.weight', tensor(a, A)],
      ['lora_unet_mid_block_attentions_0_proj_in.lora_up.weight', tensor(b, B)],
    ]);
    return encodeSafetensors({ tensors, metadata: {} });
  };
  const NAME = 'mid_block.attentions.0.proj_in';
  const read = (a: readonly number[], b: readonly number[], layer: Adapter) =>
    adapterParameters(decodeAdapter(fileOf(a, b), 'x.safetensors'), [layer], 'x.safetensors');
  const RANKS = [
    [
      [2, 3],
      [4, 2],
    ],
    [
      [2, 3, 1, 1],
      [4, 2, 1, 1],
    ],
    [
      [2, 3, 1, 1],
      [4, 2],
    ],
    [
      [2, 3],
      [4, 2, 1, 1],
    ],
  ] as const;

  it.each(RANKS)('should be those of a linear layer, and of a 1 x 1 convolution: %j and %j', (a, b) => {
    expect(read(a, b, adapter(NAME, 3, 4))).toEqual({
      [`${NAME}.lora_A`]: Float32Array.of(1, 4, 2, 5, 3, 6), // [in, rank]
      [`${NAME}.lora_B`]: Float32Array.of(1, 3, 5, 7, 2, 4, 6, 8), // [rank, out]
    });
    expect(read(a, b, adapter(NAME, 3, 4, [1, 1]))).toEqual({ [`${NAME}.lora_A`]: A, [`${NAME}.lora_B`]: B });
  });

  it('should take B as a matrix for a wide convolution too', () => {
    const wide = adapter(NAME, 3, 4, [3, 3]);
    expect(read([2, 3, 3, 3], [4, 2], wide)).toEqual(read([2, 3, 3, 3], [4, 2, 1, 1], wide));
  });

  it.each<[about: string, a: readonly number[], b: readonly number[], layer: Adapter, message: string]>([
    [
      'a wide kernel for a linear layer',
      [2, 3, 3, 3],
      [4, 2, 1, 1],
      adapter(NAME, 3, 4),
      '(A [2, 3, 3, 3] and B [4, 2, 1, 1] for a linear layer of 3 inputs and 4 outputs)',
    ],
    [
      'a wide kernel for a linear layer of as many numbers',
      [2, 3, 3, 3],
      [4, 2, 1, 1],
      adapter(NAME, 27, 4),
      '(A [2, 3, 3, 3] and B [4, 2, 1, 1] for a linear layer of 27 inputs and 4 outputs)',
    ],
    [
      'a matrix for a wide convolution',
      [2, 27],
      [4, 2],
      adapter(NAME, 3, 4, [3, 3]),
      '(A [2, 27] and B [4, 2] for a 3 x 3 convolution of 3 inputs and 4 outputs)',
    ],
    [
      'another window',
      [2, 3, 1, 9],
      [4, 2, 1, 1],
      adapter(NAME, 3, 4, [3, 3]),
      '(A [2, 3, 1, 9] and B [4, 2, 1, 1] for a 3 x 3 convolution of 3 inputs and 4 outputs)',
    ],
    ['other inputs', [2, 5], [4, 2], adapter(NAME, 3, 4), '(A [2, 5] and B [4, 2] for a linear layer of 3'],
    ['other outputs', [2, 3], [5, 2], adapter(NAME, 3, 4), '(A [2, 3] and B [5, 2] for a linear layer of 3'],
    ['another layer', [2, 3], [4, 2], adapter('mid.to_q', 3, 4), 'got others for mid.to_q (none).'],
  ])('should be refused with the names: %s', (_, a, b, layer, message) => {
    const fault = expect.objectContaining({
      code: 'TRIB_LORA',
      message: expect.stringMatching(
        /^x\.safetensors: expected A and B in the sizes .* use it with that one\.$/,
      ),
    });
    expect(() => read(a, b, layer)).toThrow(fault);
    expect(() => read(a, b, layer)).toThrow(message);
  });
});
