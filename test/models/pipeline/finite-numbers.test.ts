import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors } from '../../../src/models/files/safetensors.js';
import { openPipeline } from '../../../src/models/pipeline/pipeline.js';
import { elementCount } from '../../../src/models/tensor.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

/** Stable Diffusion with NaN in one tensor, which is in half precision. */
async function broken(file: string, tensor: RegExp): Promise<string> {
  const folder = join(await temporaryFolder(), 'model');
  await cp('test/fixtures/stable-diffusion/sd1', folder, { recursive: true });
  const path = join(folder, file);
  const { tensors, metadata } = decodeSafetensors(await readFile(path), path);
  const changed = [...tensors].map(([name, one]) =>
    tensor.test(name) && one.dtype === 'F16'
      ? ([name, { ...one, data: one.data.map(() => 0x7e00) }] as const)
      : ([name, one] as const),
  );
  await writeFile(path, encodeSafetensors({ tensors: new Map(changed), metadata }));
  return folder;
}

describe('a pipeline whose weights hold NaN', () => {
  it('should name the text encoder', async () => {
    const file = 'text_encoder/model.safetensors';
    const pipeline = await openPipeline(await sharedEngine(), await broken(file, /final_layer_norm\.bias/));
    expect(await faultOf(() => pipeline.embedPrompt('a cat'))).toEqual([
      'TRIB_MODEL',
      `${pipeline.folder.path}/${file}: expected embeddings of finite numbers from the text encoder, got NaN. Look for it in its weights, and in those of adapters and textual inversions.`,
    ]);
  });

  it('should name the VAE, and what helps, or the network that drew such latents', async () => {
    const file = 'vae/diffusion_pytorch_model.safetensors';
    const pipeline = await openPipeline(await sharedEngine(), await broken(file, /decoder\.conv_in\.bias/));
    const latents = new Float32Array(elementCount(pipeline.latentShape));
    expect(await faultOf(() => pipeline.decode(latents, 1))).toEqual([
      'TRIB_MODEL',
      `${pipeline.folder.path}/${file}: expected pictures of finite numbers from the VAE, got NaN. Use another copy of it; for SDXL madebyollin/sdxl-vae-fp16-fix, or the original one in float32.`,
    ]);
    latents[3] = Number.POSITIVE_INFINITY;
    expect((await faultOf(() => pipeline.decode(latents, 1)))[1]).toContain(
      'unet/diffusion_pytorch_model.safetensors: expected latents of finite numbers from the network that denoises, got Infinity.',
    );
  });
});
