/** @file Files that are no checkpoint of a whole model: each is refused by name. */
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeConvertedPipeline } from '../../../src/models/pipeline/converted-pipeline.js';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import {
  changedCheckpoint,
  checkpointFile,
  half,
  rename,
  type Tensors,
  UNET,
  VAE,
  without,
} from '../../fixtures/checkpoint-files.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const only = (prefix: string) => (tensors: Tensors) => {
  for (const name of [...tensors.keys()]) if (!name.startsWith(prefix)) tensors.delete(name);
};

describe('a file that is no such checkpoint', () => {
  it.each([
    [
      'model-00001-of-00002.safetensors',
      'expected the tensors of SD 1.x, SD 2.x or SDXL, got one of several shards.',
    ],
    ['model.safetensors.index.json', 'got an index of shards.'],
  ])('should be refused with the way to join it: %s', async (name, text) => {
    const path = await checkpointFile('sd1', name);
    const [code, message] = await faultOf(() => readPipelineFolder(path));
    expect([code, message]).toEqual(['TRIB_MODEL', expect.stringContaining(text)]);
    expect(message).toContain('Join the shards into one file');
  });

  const entry = `${UNET}input_blocks.0.0.weight`;
  it.each<[string, 'sd1' | 'sd2' | 'sdxl', (tensors: Tensors) => void, string]>([
    ['the refiner', 'sdxl', refiner, 'got the refiner of SDXL, or an unCLIP model'],
    [
      'Stable Diffusion 3',
      'sd1',
      (t) => t.set(`${UNET}joint_blocks.0.x`, half([1])),
      'got Stable Diffusion 3',
    ],
    ['FLUX', 'sd1', transformerOnly, 'got FLUX (tensor "double_blocks.0.img_attn.qkv.weight")'],
    ['Playground v2.5', 'sdxl', (t) => t.set('edm_mean', half([4])), '(EDM), such as Playground v2.5'],
    [
      'an adapter',
      'sd1',
      adapterOnly,
      'got an adapter (tensor "lora_unet_x.lora_down.weight"). Name its base',
    ],
    ['a VAE', 'sd1', only(VAE), 'got a VAE alone (tensor "first_stage_model.'],
    ['a text encoder', 'sd1', only('cond_stage_model.'), 'got a text encoder alone'],
    [
      'a UNet without text encoders',
      'sd1',
      without('cond_stage_model.'),
      'expected a UNet with its text encoders',
    ],
    [
      'one text encoder of two',
      'sdxl',
      without('conditioner.embedders.1.'),
      '"conditioner.embedders.1.model.',
    ],
    ['nothing', 'sd1', (t) => t.clear(), 'expected the tensors of SD 1.x, SD 2.x or SDXL, got no tensors'],
    ['other tensors', 'sd1', (t) => [t.clear(), t.set('weight', half([1]))], 'got others, such as "weight"'],
    [
      'parts of two models',
      'sd1',
      otherText,
      'a UNet for text embeddings of 64 numbers with text encoders that give 32',
    ],
    [
      "ComfyUI's scaled FP8",
      'sd1',
      (t) => t.set(`${UNET}out.2.scale_weight`, half([])),
      'quantized with scales (ComfyUI\'s "scaled FP8") (tensor "model.diffusion_model.out.2.scale_weight"). Use',
    ],
    [
      'its later form',
      'sd1',
      (t) => t.set('cond_stage_model.transformer.x.comfy_quant', half([1])),
      'with scales',
    ],
  ])('should be refused by name: %s', async (_, name, change, expected) => {
    const path = await changedCheckpoint(name, change);
    const [code, fault] = await faultOf(() => readPipelineFolder(path));
    expect(fault).toContain(`${path}: `);
    expect(fault).toContain(expected);
    expect(code).toBe('TRIB_MODEL');
    expect((await faultOf(() => writeConvertedPipeline(path, `${path}-out`)))[1]).toBe(fault);
  });

  function refiner(tensors: Tensors) {
    without('conditioner.embedders.0.')(tensors);
    rename(tensors, 'conditioner.embedders.1.', (rest) => `conditioner.embedders.0.${rest}`);
  }
  function transformerOnly(tensors: Tensors) {
    tensors.clear();
    tensors.set('double_blocks.0.img_attn.qkv.weight', half([2, 2]));
  }
  function adapterOnly(tensors: Tensors) {
    tensors.clear();
    tensors.set('lora_unet_x.lora_down.weight', half([2, 2]));
  }
  function otherText(tensors: Tensors) {
    const name = 'cond_stage_model.transformer.text_model.embeddings.token_embedding.weight';
    tensors.set(name, half([49408, 32]));
  }

  it('should be listed with all that does not fit, before a folder is written', async () => {
    const path = await changedCheckpoint('sd1', (tensors) => {
      tensors.delete(`${UNET}middle_block.0.in_layers.2.weight`);
      tensors.set(`${UNET}middle_block.2.in_layers.2.weight`, half([64, 64, 1, 1]));
      tensors.set(`${UNET}control.weight`, half([2]));
    });
    const out = join(await temporaryFolder(), 'out');
    const [code, fault] = await faultOf(() => writeConvertedPipeline(path, out));
    expect(code).toBe('TRIB_MODEL');
    expect(fault).toContain(
      'got 3 that do not fit: "mid_block.resnets.0.conv1.weight" [64, 64, 3, 3] is missing',
    );
    expect(fault).toContain('"mid_block.resnets.1.conv1.weight" is [64, 64, 1, 1] instead of [64, 64, 3, 3]');
    expect(fault).toContain('"control.weight" [2] is not in the network');
    expect(await readdir(join(out, '..'))).toEqual([]);
  });

  it('should be refused where it is truncated, or of a type that is not read', async () => {
    const path = await checkpointFile('sd1');
    const bytes = await readFile(path);
    await truncate(path, 100_000);
    expect((await faultOf(() => readPipelineFolder(path)))[1]).toContain(
      'The file is damaged or truncated: copy it again.',
    );
    const header = Number(bytes.readBigUInt64LE());
    const text = bytes.subarray(8, 8 + header).toString();
    const place = text.indexOf('"F16"', text.indexOf(entry));
    // Of the same length, and the counter of an average in the fixture is I32 already.
    bytes.write('"I16"', 8 + place);
    await writeFile(path, bytes);
    expect((await faultOf(() => readPipelineFolder(path)))[1]).toContain(
      `tensor "${entry}": expected F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, U8, got I16. Save it in one of these`,
    );
  });
});
