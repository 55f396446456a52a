import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors } from '../../../src/models/files/safetensors.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { callCli } from '../call-cli.js';

describe('sample', () => {
  it('should say that there is no pipeline before it speaks of a tokenizer', async () => {
    const folder = await temporaryFolder();
    const fault = async (pipeline: string) => {
      const words = ['--prompt', 'a cat', '--out', join(folder, 'out.png')];
      const { code, stderr } = await callCli(['sample', '--pipeline', pipeline, ...words]);
      expect(code).toBe(1);
      return stderr;
    };
    const pickle = join(folder, 'model.ckpt');
    await writeFile(pickle, '\x80\x02');
    expect(await fault(pickle)).toContain(`${pickle}: expected safetensors, got a pickle`);
    const none = join(folder, 'none.safetensors');
    expect(await fault(none)).toContain(
      `${none}: expected a checkpoint in one file, got no such file. Correct`,
    );
    const empty = await temporaryFolder();
    expect(await fault(empty)).toContain(
      `${join(empty, 'model_index.json')}: expected a JSON file, got no such file`,
    );
  });
  it('should take an empty negative prompt as none, and write no black picture where weights hold NaN', async () => {
    const folder = join(await temporaryFolder(), 'model');
    await cp('test/fixtures/stable-diffusion/sd1', folder, { recursive: true });
    const path = join(folder, 'unet/diffusion_pytorch_model.safetensors');
    const { tensors, metadata } = decodeSafetensors(await readFile(path), path);
    const bias = tensors.get('conv_in.bias');
    if (bias?.dtype !== 'F16') throw new Error('expected half precision');
    const broken = new Map(tensors).set('conv_in.bias', { ...bias, data: bias.data.map(() => 0x7e00) });
    await writeFile(path, encodeSafetensors({ tensors: broken, metadata }));
    const out = join(folder, 'out.png');
    const words = ['--prompt', 'a red cat', '--images', '1', '--steps', '2', '--negative', ' ', '--out', out];
    const { code, stderr } = await callCli(['sample', '--pipeline', folder, ...words]);
    expect(code).toBe(1);
    expect(stderr).toContain(
      `${path}: expected latents of finite numbers from the network that denoises, got NaN. Look`,
    );
    await expect(readFile(out)).rejects.toThrow('ENOENT');
  });
});
