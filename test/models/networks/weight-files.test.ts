import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findWeights, weightFiles } from '../../../src/models/networks/component-weights.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

async function folderOf(...names: readonly string[]): Promise<string> {
  const folder = join(await temporaryFolder(), 'unet');
  await mkdir(folder);
  for (const name of names) await writeFile(join(folder, name), '');
  return folder;
}

describe('findWeights', () => {
  it('should take full precision, then fp32, fp16, bf16 and non_ema, a file before an index', async () => {
    const names = weightFiles('model').flatMap(({ file, indexes }) => [file, ...indexes]);
    expect(names.slice(0, 6)).toEqual([
      'model.safetensors',
      'model.safetensors.index.json',
      'model.fp32.safetensors',
      'model.safetensors.index.fp32.json',
      'model.safetensors.fp32.index.json',
      'model.fp32.safetensors.index.json',
    ]);
    for (const [place, name] of names.entries()) {
      const folder = await folderOf(...names.slice(place), 'model.bin', 'model.int8.safetensors');
      expect(await findWeights(folder, 'model', [])).toBe(join(folder, name));
    }
  });

  it('should refuse safetensors under another name, and shards without their index', async () => {
    const other = await folderOf('model.safetensors', 'diffusion_pytorch_model.bin');
    expect(await faultOf(() => findWeights(other, 'diffusion_pytorch_model', []))).toEqual([
      'TRIB_MODEL',
      `${other}: expected diffusion_pytorch_model.safetensors, got model.safetensors. If it is what config.json describes, rename it; variants are diffusion_pytorch_model.fp32.safetensors, diffusion_pytorch_model.fp16.safetensors, diffusion_pytorch_model.bf16.safetensors, diffusion_pytorch_model.non_ema.safetensors.`,
    ]);
    const shards = await folderOf('model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors');
    expect(await faultOf(() => findWeights(shards, 'model', []))).toEqual([
      'TRIB_MODEL',
      `${shards}: expected model.safetensors.index.json beside its shards, got model-00001-of-00002.safetensors. Copy the index, too: it says which tensor is in which file.`,
    ]);
    const misspelled = await folderOf('model.safetensor');
    expect((await faultOf(() => findWeights(misspelled, 'model', [])))[1]).toContain(
      'got model.safetensor. If it is',
    );
    const nothing = await folderOf('config.json');
    expect(await findWeights(nothing, 'model', [])).toBe(null);
  });
});
