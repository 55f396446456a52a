/** @file Both styles of adapter files, any layers: what is written comes back. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromKohya, toKohya } from '../../../src/models/adapters/kohya.js';
import { decodeLoraFile, encodeLoraFile, LORA_FORMATS } from '../../../src/models/adapters/lora-file.js';
import { type LoraLayer, withOneRank } from '../../../src/models/adapters/lora-layer.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { roundToFloat16 } from '../../../src/models/numeric/float16.js';

const index = fc.nat(3).map(String);
const joined = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts).map((words) => words.join('.'));
const block = fc.oneof(joined(fc.constantFrom('down_blocks', 'up_blocks'), index), fc.constant('mid_block'));
const attention = joined(
  block,
  fc.constant('attentions'),
  index,
  fc.oneof(
    fc.constantFrom('proj_in', 'proj_out'),
    joined(
      fc.constant('transformer_blocks'),
      index,
      fc.oneof(
        joined(fc.constantFrom('attn1', 'attn2'), fc.constantFrom('to_q', 'to_k', 'to_v', 'to_out.0')),
        fc.constantFrom('ff.net.0.proj', 'ff.net.2'),
      ),
    ),
  ),
);
const convolution = fc.oneof(
  joined(
    block,
    fc.constant('resnets'),
    index,
    fc.constantFrom('conv1', 'conv2', 'conv_shortcut', 'time_emb_proj'),
  ),
  joined(block, fc.constantFrom('downsamplers.0.conv', 'upsamplers.0.conv')),
  fc.constantFrom(
    'conv_in',
    'conv_out',
    'time_embedding.linear_1',
    'time_embedding.linear_2',
    'add_embedding.linear_1',
  ),
);
const textLayer = joined(
  fc.constant('text_model.encoder.layers'),
  index,
  fc.constantFrom('self_attn.q_proj', 'self_attn.out_proj', 'mlp.fc1'),
);
const key = fc.oneof(
  fc.oneof(attention, convolution).map((path) => `unet.${path}`),
  textLayer.map((path) => `text_encoder.${path}`),
);

const size = fc.integer({ min: 1, max: 4 });
const number = fc.float({ min: -1000, max: 1000, noNaN: true });
const numbers = (length: number) =>
  fc.array(number, { minLength: length, maxLength: length }).map((values) => Float32Array.from(values));
const layer: fc.Arbitrary<LoraLayer> = fc
  .record({
    key,
    rank: size,
    inputs: size,
    outputs: size,
    kernel: fc.option(fc.tuple(size, size)),
    alpha: size,
  })
  .chain(({ key: name, rank, inputs, outputs, kernel, alpha }) =>
    fc.record({
      key: fc.constant(name),
      loraA: numbers(rank * inputs * (kernel ? kernel[0] * kernel[1] : 1)),
      loraB: numbers(outputs * rank),
      rank: fc.constant(rank),
      alpha: fc.constant(alpha / 4),
      ...(kernel && { kernel: fc.constant(kernel) }),
    }),
  );
const layers = fc.uniqueArray(layer, { minLength: 1, maxLength: 5, selector: ({ key: name }) => name });
const sorted = (all: readonly LoraLayer[]) => [...all].sort((one, other) => (one.key < other.key ? -1 : 1));

describe('adapter files', () => {
  test.each(LORA_FORMATS)('should come back as they were, in fp32: %s', (format) => {
    fc.assert(
      fc.property(layers, (all) => {
        const bytes = encodeLoraFile(all, { format, dtype: 'fp32' });
        expect(decodeLoraFile(bytes, 'file')).toEqual(sorted(all));
        expect(encodeLoraFile(all.toReversed(), { format, dtype: 'fp32' })).toEqual(bytes);
      }),
    );
  });

  test.each(LORA_FORMATS)('should come back rounded to the nearest half, in fp16: %s', (format) => {
    const half = (values: Float32Array) => values.map(roundToFloat16);
    fc.assert(
      fc.property(layers, (all) => {
        const rounded = sorted(all).map((one) => ({
          ...one,
          loraA: half(one.loraA),
          loraB: half(one.loraB),
        }));
        expect(decodeLoraFile(encodeLoraFile(all, { format, dtype: 'fp16' }), 'file')).toEqual(rounded);
      }),
    );
  });

  test('should have one name in the style of kohya for every module, and get it back', () => {
    fc.assert(
      fc.property(key, (name) => {
        const written = toKohya(name) ?? '';
        expect(written).toMatch(/^lora_(unet|te)_[a-z0-9_]+$/);
        expect(fromKohya(written)).toBe(name);
      }),
    );
  });

  test('should call the first of two text encoders as trainers of SDXL do', () => {
    const of = (component: string): LoraLayer => ({
      key: `${component}.text_model.encoder.layers.0.mlp.fc1`,
      loraA: new Float32Array(2),
      loraB: new Float32Array(2),
      rank: 1,
      alpha: 1,
    });
    const namesOf = (...components: string[]) =>
      [
        ...decodeSafetensors(
          encodeLoraFile(components.map(of), { format: 'kohya', dtype: 'fp32' }),
          'file',
        ).tensors.keys(),
      ].map((name) => name.split('_text_')[0]);
    expect(new Set(namesOf('text_encoder'))).toEqual(new Set(['lora_te']));
    expect(new Set(namesOf('text_encoder', 'text_encoder_2'))).toEqual(new Set(['lora_te1', 'lora_te2']));
  });

  test('should hold in the style of kohya what its readers ask for', () => {
    const attentionLayer: LoraLayer = {
      key: 'unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k',
      loraA: new Float32Array(2 * 768).fill(1),
      loraB: new Float32Array(3 * 2),
      rank: 2,
      alpha: 1,
    };
    const kernels: LoraLayer = {
      key: 'unet.down_blocks.0.resnets.0.conv1',
      loraA: new Float32Array(4 * 5 * 9),
      loraB: new Float32Array(6 * 4),
      rank: 4,
      alpha: 3,
      kernel: [3, 3],
    };
    const bytes = encodeLoraFile([attentionLayer, kernels], {
      format: 'kohya',
      dtype: 'fp16',
      title: 'demo',
    });
    const { tensors, metadata } = decodeSafetensors(bytes, 'file');
    const attentionName = 'lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k';
    expect(
      Object.fromEntries([...tensors].map(([name, { dtype, shape }]) => [name, [dtype, ...shape]])),
    ).toEqual({
      [`${attentionName}.lora_down.weight`]: ['F16', 2, 768],
      [`${attentionName}.lora_up.weight`]: ['F16', 3, 2],
      [`${attentionName}.alpha`]: ['F32'],
      'lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight': ['F16', 4, 5, 3, 3],
      'lora_unet_down_blocks_0_resnets_0_conv1.lora_up.weight': ['F16', 6, 4, 1, 1],
      'lora_unet_down_blocks_0_resnets_0_conv1.alpha': ['F32'],
    });
    const data = bytes.subarray(8 + Number(new DataView(bytes.buffer).getBigUint64(0, true)));
    expect(metadata).toEqual({
      format: 'pt',
      ss_v2: 'False',
      ss_base_model_version: 'sd_v1',
      ss_network_module: 'networks.lora',
      ss_network_dim: '2',
      ss_network_alpha: '1',
      ss_network_args: '{"conv_dim":"4","conv_alpha":"3"}',
      sshs_model_hash: createHash('sha256').update(data).digest('hex'),
      'modelspec.sai_model_spec': '1.0.1',
      'modelspec.architecture': 'stable-diffusion-v1/lora',
      'modelspec.implementation': 'diffusers',
      'modelspec.title': 'demo',
    });
  });

  test('should refuse a number that fp16 cannot hold, and a module without a name in the style of kohya', () => {
    const one: LoraLayer = {
      key: 'unet.a',
      loraA: Float32Array.of(65_519),
      loraB: Float32Array.of(1),
      rank: 1,
      alpha: 1,
    };
    expect(
      decodeLoraFile(encodeLoraFile([one], { format: 'peft', dtype: 'fp16' }), 'file')[0]?.loraA[0],
    ).toBe(65_504);
    const large = { ...one, loraA: Float32Array.of(65_520) };
    expect(() => encodeLoraFile([large], { format: 'peft', dtype: 'fp16' })).toThrow(
      'LoRA file unet.a: expected numbers up to 65504, as fp16 can hold, got 65520. Write it as fp32.',
    );
    const other = { ...one, key: 'unet.my_block' };
    expect(() => encodeLoraFile([other], { format: 'kohya', dtype: 'fp32' })).toThrow(
      'LoRA file unet.my_block: expected a module of UNet2DConditionModel',
    );
  });
});

describe('withOneRank', () => {
  /** (alpha / rank) B A, row by row. */
  const difference = ({ loraA, loraB, rank, alpha }: LoraLayer) => {
    const [inputs, outputs] = [loraA.length / rank, loraB.length / rank];
    return Float64Array.from({ length: inputs * outputs }, (_, i) => {
      let sum = 0;
      for (let r = 0; r < rank; r++)
        sum += (loraB[Math.floor(i / inputs) * rank + r] ?? 0) * (loraA[r * inputs + (i % inputs)] ?? 0);
      return (alpha / rank) * sum;
    });
  };

  test('should change every layer by the same amount as before', () => {
    fc.assert(
      fc.property(layers, (all) => {
        const brought = withOneRank(all);
        expect(new Set(brought.map(({ rank, alpha }) => `${rank} ${alpha}`)).size).toBe(1);
        brought.forEach((one, i) => {
          const [found, wanted] = [difference(one), difference(all[i] as LoraLayer)];
          expect(found).toHaveLength(wanted.length);
          found.forEach((value, j) => {
            expect(Math.abs(value - (wanted[j] ?? 0))).toBeLessThan(1); // of up to 4e6 · scale: float32 B
          });
        });
      }),
    );
  });
});
