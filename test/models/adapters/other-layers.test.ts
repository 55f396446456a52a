/** @file Adapters that are not LoRA, against the weights that LyCORIS and PEFT make of them (tools/reference/other_adapters.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeAdapterFile } from '../../../src/models/adapters/adapter-file.js';
import { decodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsTensor,
} from '../../../src/models/files/safetensors.js';
import {
  adapterChanges,
  type Layout,
  requireFit,
  transpose,
} from '../../../src/models/graph/weights/weight-change.js';
import { largestDifference } from '../../fixtures/run-model.js';

const FIXTURE = 'test/fixtures/other-adapters.safetensors';
const { tensors } = decodeSafetensors(readFileSync(FIXTURE), FIXTURE);
const CASES = [...new Set([...tensors.keys()].map((name) => name.split('/')[0] ?? ''))];
const MODULE = 'mid_block.resnets.0.conv1';

const tensorOf = (name: string, key: string) =>
  tensors.get(`${name}/${key}`) as SafetensorsTensor & { readonly data: Float32Array };

/** The file of a case, as kohya's trainers name its tensors. */
function fileOf(name: string): Uint8Array {
  const prefix = `${name}/layer.`;
  const own = [...tensors].filter(([key]) => key.startsWith(prefix));
  const module = `lora_unet_${MODULE.replaceAll('.', '_')}`;
  return encodeSafetensors({
    tensors: new Map(own.map(([key, tensor]) => [`${module}.${key.slice(prefix.length)}`, tensor])),
    metadata: {},
  });
}

/** The parameters of a case after a change of this strength. */
function changed(name: string, strength: number, layout: Layout = 'kernels') {
  const content = decodeAdapterFile(fileOf(name), name);
  const { unet: changes = [] } = adapterChanges([{ content, strength }]);
  const found = Object.fromEntries(
    ['weight', 'bias'].map((parameter) => {
      const { shape, data } = tensorOf(name, parameter);
      const isTransposed = layout === 'in-out' && shape.length === 2;
      const [rows = 1, columns = 1] = shape;
      const plain: Layout = shape.length === 2 ? 'out-in' : 'kernels';
      return [
        `${MODULE}.${parameter}`,
        isTransposed
          ? { shape: [columns, rows], layout, values: transpose(data, rows, columns) }
          : { shape, layout: plain, values: data.slice() },
      ];
    }),
  );
  requireFit(changes, new Map(Object.entries(found)), name);
  for (const { name: parameter, apply } of changes) {
    const target = found[parameter];
    if (target) apply(target.values, target.layout, target.shape);
  }
  const valuesOf = (parameter: string) => found[`${MODULE}.${parameter}`]?.values ?? new Float32Array();
  return { weight: valuesOf('weight'), bias: valuesOf('bias') };
}

describe('adapters that are not LoRA', () => {
  it.each(CASES)('should change weights as their own program does: %s', (name) => {
    const { weight, bias } = changed(name, 1);
    expect(largestDifference(weight, tensorOf(name, 'merged').data)).toBeLessThan(1e-5);
    expect(largestDifference(bias, tensorOf(name, 'merged_bias').data)).toBeLessThan(1e-5);
    const isChanged = ['weight', 'bias'].some(
      (key) =>
        largestDifference(
          tensorOf(name, key).data,
          tensorOf(name, key === 'bias' ? 'merged_bias' : 'merged').data,
        ) > 0.01,
    );
    expect(isChanged).toBe(true);
  });

  it.each(CASES.filter((name) => tensorOf(name, 'weight').shape.length === 2))(
    'should change a transposed weight alike: %s',
    (name) => {
      const { shape } = tensorOf(name, 'weight');
      const [rows = 1, columns = 1] = shape;
      const { weight } = changed(name, 1, 'in-out');
      expect(transpose(weight, columns, rows)).toEqual(changed(name, 1).weight);
    },
  );

  it.each(CASES)('should change nothing at strength 0, and half as much at a half: %s', (name) => {
    const base = tensorOf(name, 'weight').data;
    expect(largestDifference(changed(name, 0).weight, base)).toBeLessThan(1e-6);
    const [half, whole] = [changed(name, 0.5).weight, changed(name, 1).weight];
    const expected = base.map((value, i) => (value + (whole[i] ?? Number.NaN)) / 2);
    expect(largestDifference(half, expected)).toBeLessThan(1e-5);
  });

  it.each([
    ['loha', 'LoHa for 1: "unet.mid_block'],
    ['lokr', 'LoKr for 1'],
    ['peft-dora', 'DoRA for 1'],
    ['loha-dora', 'LoHa with DoRA for 1'],
    ['full', 'a full difference for 2'],
    ['ia3-in', 'IA³ for 1'],
    ['peft-bias', 'a bias of B for 1'],
  ])('should be named where only LoRA will do, with the command that helps: %s', (name, text) => {
    expect(() => decodeLoraFile(fileOf(name), 'a.safetensors')).toThrow(text);
    expect(() => decodeLoraFile(fileOf(name), 'a.safetensors')).toThrow(
      'tributary merge a.safetensors --pipeline <base> --out <folder>.',
    );
  });

  it('should be LoRA where the parts of a convolution are all there is', () => {
    expect(decodeLoraFile(fileOf('locon'), 'file')).toMatchObject([{ kernel: [3, 3], rank: 2, alpha: 3 }]);
  });

  it.each([
    ['loha', 'conv.hada_w1_a', [5, 2], 'expected two products of one size, got [5, 6] and [4, 6]'],
    ['loha', 'conv.hada_w1_b', [3, 6], 'expected factors [out, rank] and [rank, in], got [4, 2] and [3, 6]'],
    ['lokr', 'conv.lokr_w2_b', [3, 12], 'got [8, 2] and [3, 12]'],
  ])('should refuse factors that do not fit each other: %s', (name, key, shape, text) => {
    const file = decodeSafetensors(fileOf(name), name);
    const part = key.split('.')[1];
    const broken = [...file.tensors].map(([own, tensor]): [string, SafetensorsTensor] =>
      own.endsWith(`.${part}`)
        ? [own, { dtype: 'F32', shape, data: new Float32Array(shape.reduce((a, b) => a * b)) }]
        : [own, tensor],
    );
    const bytes = encodeSafetensors({ tensors: new Map(broken), metadata: {} });
    expect(() => decodeAdapterFile(bytes, 'file')).toThrow(text);
  });

  it('should say which layer has another size in the model', () => {
    const content = decodeAdapterFile(fileOf('full'), 'full');
    const { unet: changes = [] } = adapterChanges([{ content, strength: 1 }]);
    const model = new Map([
      [`${MODULE}.weight`, { shape: [4, 6], layout: 'out-in' as const }],
      [`${MODULE}.bias`, { shape: [5], layout: 'kernels' as const }],
    ]);
    expect(() => requireFit(changes, model, 'model')).toThrow(
      `${MODULE} (for [4, 54], the model has [4, 6]), ${MODULE}.bias (for [4], the model has [5])`,
    );
  });
});
