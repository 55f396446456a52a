/** @file What a run goes on from: a file of any rank of storage, or the folder that it lies in. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeSafetensors, type SafetensorsTensor } from '../../../../src/models/files/safetensors.js';
import type { Adapter } from '../../../../src/models/graph/weights/lora.js';
import { startingParameters } from '../../../../src/streams/stages/trainer/starting-parameters.js';
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
