/** @file What a run goes on from: a file of any rank of storage, or the folder that it lies in. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeLoraFile } from '../../../../src/models/adapters/lora-file.js';
import { encodeSafetensors, type SafetensorsTensor } from '../../../../src/models/files/safetensors.js';
import type { Adapter } from '../../../../src/models/graph/weights/lora.js';
import type { PolicyInputs } from '../../../../src/models/graph/weights/policy-network.js';
import { encodePolicy } from '../../../../src/models/policy/policy-file.js';
import { startingParameters } from '../../../../src/streams/stages/trainer/starting-parameters.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const adapter = (layer: string, kernel?: readonly [number, number]): Adapter => ({
  layer,
  inFeatures: 3,
  outFeatures: 2,
  inputA: `${layer}.lora_A`,
  inputB: `${layer}.lora_B`,
  ...(kernel && { kernel }),
});
const LINEAR = adapter('mid_block.proj_in');
const POINTWISE = adapter('mid_block.proj_out', [1, 1]);
const INPUTS = { component: 'unet', adapters: [LINEAR, POINTWISE], weights: [] };
const LORA = { pattern: 'proj', rank: 2, alpha: 8 };

const tensor = (...shape: number[]): SafetensorsTensor => ({
  dtype: 'F32',
  shape,
  data: Float32Array.from({ length: shape.reduce((product, axis) => product * axis, 1) }, (_, i) => i + 1),
});

/** A folder of PEFT whose layers are stored in the rank of the other kind. */
async function peftFolder(pairs: Record<string, readonly [SafetensorsTensor, SafetensorsTensor]>) {
  const folder = await temporaryFolder();
  const tensors = Object.entries(pairs).flatMap(([layer, [a, b]]) => [
    [`base_model.model.${layer}.lora_A.weight`, a] as const,
    [`base_model.model.${layer}.lora_B.weight`, b] as const,
  ]);
  const bytes = encodeSafetensors({ tensors: new Map(tensors), metadata: {} });
  await writeFile(join(folder, 'adapter_model.safetensors'), bytes);
  return folder;
}

describe('startingParameters', () => {
  const swapped = {
    [LINEAR.layer]: [tensor(2, 3, 1, 1), tensor(2, 2, 1, 1)],
    [POINTWISE.layer]: [tensor(2, 3), tensor(2, 2)],
  } as const;

  test('should lay the numbers out as the layers ask, from a folder of PEFT with its alpha', async () => {
    const folder = await peftFolder(swapped);
    await writeFile(join(folder, 'adapter_config.json'), '{"r": 2, "lora_alpha": 8}');
    expect(await startingParameters(folder, INPUTS, LORA)).toEqual({
      parameters: {
        [LINEAR.inputA]: Float32Array.of(1, 4, 2, 5, 3, 6), // [in, rank]
        [LINEAR.inputB]: Float32Array.of(1, 3, 2, 4), // [rank, out]
        [POINTWISE.inputA]: Float32Array.of(1, 2, 3, 4, 5, 6),
        [POINTWISE.inputB]: Float32Array.of(1, 2, 3, 4),
      },
      warnings: [],
    });
  });

  test('should hand on that nothing says alpha, and refuse another one than that of the run', async () => {
    const folder = await peftFolder(swapped);
    const { warnings } = await startingParameters(folder, INPUTS, { ...LORA, alpha: 2 });
    expect(warnings).toEqual([expect.stringContaining('nothing says the alpha of any layer')]);
    await expect(startingParameters(folder, INPUTS, LORA)).rejects.toThrow(
      'expected rank 2 and alpha 8 as model.lora says, got rank 2 and alpha 2.',
    );
  });

  test('should refuse a wide kernel for a linear layer', async () => {
    const folder = await peftFolder({ ...swapped, [LINEAR.layer]: [tensor(2, 3, 3, 3), tensor(2, 2, 1, 1)] });
    await expect(startingParameters(folder, INPUTS, { ...LORA, alpha: 2 })).rejects.toThrow(
      `${join(folder, 'adapter_model.safetensors')}: expected A and B in the sizes of the model's layers, got others for mid_block.proj_in (A [2, 3, 3, 3]`,
    );
  });
});

describe('a file of another kind than the run', () => {
  const layer = (key: string, rank: number) => ({
    key: `unet.${key}`,
    loraA: new Float32Array(rank * 3).fill(1),
    loraB: new Float32Array(2 * rank).fill(1),
    rank,
    alpha: 8,
  });
  const weight = (name: string, ...shape: number[]) => {
    const { data } = tensor(...shape);
    return { name, input: `unet.${name}`, shape, initial: data as Float32Array };
  };
  const [BIAS, NORM] = [weight('conv_in.bias', 8), weight('norm.weight', 2)];
  const FREE = { component: 'unet', adapters: [], weights: [BIAS, NORM] };

  async function written(name: string, bytes: Uint8Array) {
    const path = join(await temporaryFolder(), name);
    await writeFile(path, bytes);
    return path;
  }
  const adapterFile = (...layers: ReturnType<typeof layer>[]) =>
    written('adapter.safetensors', encodeLoraFile(layers));
  const weightsFile = (weights: (typeof FREE)['weights']) => {
    const parameters = Object.fromEntries(weights.map(({ input, initial }) => [input, initial]));
    return written('weights.safetensors', encodePolicy({ ...FREE, weights }, parameters, null));
  };
  const faultFrom = async (path: string, inputs: PolicyInputs, lora: typeof LORA | null) => {
    const [code, message] = await faultOf(() => startingParameters(path, inputs, lora));
    expect([code, message.startsWith(`${path}: `)]).toEqual(['TRIB_LORA', true]);
    return message.slice(path.length + 2);
  };

  test('should be refused: an adapter of another rank, of other layers, or with a rank of its own for a layer', async () => {
    const [one, other] = [layer(LINEAR.layer, 2), layer(POINTWISE.layer, 2)];
    const whole = await adapterFile(one, other);
    expect(await faultFrom(whole, INPUTS, { ...LORA, rank: 3 })).toBe(
      'expected rank 3 and alpha 8 as model.lora says, got rank 2 and alpha 8. Set model.lora to rank 2 and alpha 8.',
    );
    const nextStep = 'Use the pattern and the base model that the adapter was trained with.';
    expect(await faultFrom(whole, { ...INPUTS, adapters: [LINEAR] }, LORA)).toBe(
      `expected weights for the layers that model.lora.pattern names, got some for "${POINTWISE.layer}" beside. ${nextStep}`,
    );
    expect(await faultFrom(await adapterFile(one), INPUTS, LORA)).toBe(
      `expected weights for the layers that model.lora.pattern names, got none for "${POINTWISE.layer}". ${nextStep}`,
    );
    // Another rank is mended with a number, another base is not: it comes first.
    expect(await faultFrom(await adapterFile(one), INPUTS, { ...LORA, rank: 3 })).toContain('got none for');
    const mixed = await adapterFile(one, layer(POINTWISE.layer, 1));
    expect(await faultFrom(mixed, INPUTS, LORA)).toContain(
      'expected one rank and one alpha for all layers, got other ones for some of them.',
    );
  });

  test('should be refused: weights that lack one of the model, or know one more', async () => {
    const whole = await weightsFile([BIAS, NORM]);
    expect((await startingParameters(whole, FREE, null)).parameters).toEqual({
      'unet.conv_in.bias': BIAS.initial,
      'unet.norm.weight': NORM.initial,
    });
    expect(await faultFrom(await weightsFile([NORM]), FREE, null)).toContain(
      'weights: expected those of the model, got others for unet.conv_in.bias [8] (got none). Use weights',
    );
    const more = await weightsFile([BIAS, NORM, weight('conv_norm.weight', 1)]);
    expect(await faultFrom(more, FREE, null)).toContain(
      'weights: expected only those of the model, got others, too: "unet.conv_norm.weight".',
    );
  });

  test('should be refused: an adapter where all weights are trained, and weights where an adapter is', async () => {
    expect(await faultFrom(await adapterFile(layer(LINEAR.layer, 2)), FREE, null)).toBe(
      'expected the weights of a UNet, as model.train: full trains them, got an adapter. Merge the adapter into the base model first, or set model.train: adapter.',
    );
    expect(await faultFrom(await weightsFile(FREE.weights), INPUTS, LORA)).toBe(
      'expected an adapter, got all weights of a UNet. Set model.train: full, or name an adapter.',
    );
  });
});
