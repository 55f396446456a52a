/** @file Checkpoints in one file: what they may look like, and the folder that they become. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../../src/models/checkpoint/read-checkpoint.js';
import {
  encodeSafetensors,
  floatValues,
  type SafetensorsTensor,
} from '../../../src/models/files/safetensors.js';
import { loraChange } from '../../../src/models/graph/weights/weight-change.js';
import { openComponentWeights } from '../../../src/models/networks/component-weights.js';
import { decodeFloat8 } from '../../../src/models/numeric/float8.js';
import { writeConvertedPipeline } from '../../../src/models/pipeline/converted-pipeline.js';
import { writeMergedPipeline } from '../../../src/models/pipeline/merged-pipeline.js';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { readPipelineScheduler } from '../../../src/models/pipeline/pipeline-index.js';
import {
  changedCheckpoint,
  checkpointFile,
  checkpointTensors,
  half,
  rename,
  UNET,
  VAE,
  without,
} from '../../fixtures/checkpoint-files.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

/** One weight of a part, by the name that diffusers gives it. */
async function weight(path: string, part: string, name: string, options = {}): Promise<Float32Array> {
  const found = (await readCheckpoint(path, options)).parts.get(part);
  const weights = await openComponentWeights(found?.path ?? '', found?.views);
  return weights.read(name).finally(() => weights.close());
}

const EMA = (rest: string) => `model_ema.diffusion_model${rest.replaceAll('.', '')}`;

describe('a checkpoint in one file', () => {
  it('should take averaged weights where there are no others', async () => {
    const path = await changedCheckpoint('sdxl', (tensors) => rename(tensors, UNET, EMA));
    const { parts, configs } = await readCheckpoint(path);
    const plain = await readCheckpoint(await checkpointFile('sdxl'));
    expect([...(parts.get('unet')?.views.keys() ?? [])].sort()).toEqual(
      [...(plain.parts.get('unet')?.views.keys() ?? [])].sort(),
    );
    expect(configs.get('unet/config.json')).toEqual(plain.configs.get('unet/config.json'));
  });

  it('should take averaged weights where they are asked for, and the others otherwise', async () => {
    const path = await changedCheckpoint('sd1', (tensors) => {
      for (const [name, tensor] of [...tensors])
        if (name.startsWith(UNET)) tensors.set(EMA(name.slice(UNET.length)), half(tensor.shape));
    });
    const name = 'down_blocks.0.resnets.0.norm1.bias';
    expect((await weight(path, 'unet', name, { ema: true })).every((value) => value === 0)).toBe(true);
    expect((await weight(path, 'unet', name)).every((value) => value === 0)).toBe(false);
  });

  it('should read a text encoder without text_model in its names', async () => {
    const [from, to] = ['cond_stage_model.transformer.text_model.', 'cond_stage_model.transformer.'];
    const path = await changedCheckpoint('sd1', (tensors) => rename(tensors, from, (rest) => `${to}${rest}`));
    expect((await readPipelineFolder(path)).textEncoders[0]?.architecture?.numHiddenLayers).toBe(3);
  });

  it.each(['F8_E4M3', 'F8_E5M2'] as const)('should read and convert weights in FP8: %s', async (dtype) => {
    const name = `${UNET}middle_block.0.in_layers.2.weight`;
    const data = Uint8Array.from({ length: 64 * 64 * 9 }, (_, i) => i % 0x7c);
    const path = await changedCheckpoint('sd1', (tensors) => {
      tensors.set(name, { dtype, shape: [64, 64, 3, 3], data });
    });
    const found = await weight(path, 'unet', 'mid_block.resnets.0.conv1.weight');
    expect(found).toEqual(decodeFloat8(dtype, data));
    const out = join(await temporaryFolder(), 'folder');
    await writeConvertedPipeline(path, out);
    const weights = await openComponentWeights(join(out, 'unet/diffusion_pytorch_model.safetensors'));
    expect(weights.owners.get('mid_block.resnets.0.conv1.weight')?.record.dtype).toBe(dtype);
    expect(await weights.read('mid_block.resnets.0.conv1.weight')).toEqual(found);
    expect(weights.place('mid_block.resnets.0.conv1.weight', ['float16'])).toBe(null);
    await weights.close();
  });

  it('should read query, key and value of OpenCLIP in place, and turn its projection', async () => {
    const path = await checkpointFile('sdxl');
    const { tensors } = checkpointTensors('sdxl');
    const stored = (name: string) =>
      floatValues(tensors.get(`conditioner.embedders.1.model.${name}`) as SafetensorsTensor);
    const joined = stored('transformer.resblocks.1.attn.in_proj_weight');
    const third = (joined?.length ?? 0) / 3;
    const key = 'text_model.encoder.layers.1.self_attn.k_proj.weight';
    expect(await weight(path, 'text_encoder_2', key)).toEqual(joined?.slice(third, 2 * third));
    const projection = stored('text_projection') as Float32Array;
    const turned = await weight(path, 'text_encoder_2', 'text_projection.weight');
    expect(turned[1]).toBe(projection[48]);
    expect(turned[128]).toBe(projection[1]);
    const part = (await readCheckpoint(path)).parts.get('text_encoder_2');
    const weights = await openComponentWeights(path, part?.views);
    const place = weights.place(key, ['float16']);
    await weights.close();
    const bytes = (await readFile(path)).subarray(place?.offset, (place?.offset ?? 0) + 2 * third);
    const bits = new Uint16Array(new Uint8Array(bytes).buffer);
    expect(floatValues({ dtype: 'F16', shape: [third], data: bits })).toEqual(
      joined?.slice(third, 2 * third),
    );
  });

  it('should take the VAE beside it, in the names of diffusers, and one that is named, in those of LDM', async () => {
    const path = await changedCheckpoint('sd1', without(VAE));
    const [, fault] = await faultOf(() => readPipelineFolder(path));
    expect(fault).toContain('got none of a VAE (tensors "first_stage_model...")');
    const ldm = new Map<string, SafetensorsTensor>();
    for (const [name, tensor] of checkpointTensors('sd1').tensors)
      if (name.startsWith(VAE)) ldm.set(name.slice(VAE.length), tensor);
    const named = join(await temporaryFolder(), 'ldm.safetensors');
    await writeFile(named, encodeSafetensors({ tensors: ldm, metadata: {} }));
    const { parts } = await readCheckpoint(path, { vae: named });
    const beside = path.replace('.safetensors', '.vae.safetensors');
    const weights = await openComponentWeights(named, parts.get('vae')?.views);
    const diffusers = new Map<string, SafetensorsTensor>();
    for (const [name, shape] of weights.shapes)
      diffusers.set(name, { dtype: 'F32', shape, data: await weights.read(name) });
    await weights.close();
    await writeFile(beside, encodeSafetensors({ tensors: diffusers, metadata: {} }));
    const { vaeDecoder, corrections } = await readPipelineFolder(path);
    expect(vaeDecoder?.modelPath).toBe(beside);
    expect(vaeDecoder?.config.scalingFactor).toBe(0.18215);
    expect(corrections).toEqual([expect.stringContaining(`${beside} is used in place of the VAE`)]);
  });

  it('should tell what SD 2.x predicts: by its weights, its metadata, and the config beside it', async () => {
    const notes: string[] = [];
    const path = await checkpointFile('sd2');
    const predicted = async (at: string) =>
      (await readPipelineScheduler(at, (note) => notes.push(note))).predictionType;
    expect(await predicted(path)).toBe('v_prediction');
    expect(notes).toEqual([
      expect.stringContaining('read as a model that predicts v_prediction, by its weights'),
    ]);
    expect(
      await predicted(await changedCheckpoint('sd2', () => {}, { 'modelspec.prediction_type': 'epsilon' })),
    ).toBe('epsilon');
    await writeFile(path.replace('.safetensors', '.yaml'), 'model:\n  params:\n    parameterization: eps\n');
    expect(await predicted(path)).toBe('epsilon');
    await writeFile(path.replace('.safetensors', '.yaml'), 'model:\n  params:\n    parameterization: x0\n');
    expect((await faultOf(() => predicted(path)))[1]).toContain(
      'sd2.yaml model.params.parameterization: expected "v" or "eps", got "x0".',
    );
  });
});

it('should be read with channels beside the latents, and converted to the pipeline of its kind', async () => {
  const path = await changedCheckpoint('sd1', (tensors) =>
    tensors.set(`${UNET}input_blocks.0.0.weight`, half([32, 9, 3, 3])),
  );
  const { channels, extraChannels } = (await readPipelineFolder(path)).denoiser.config;
  expect([channels, extraChannels]).toEqual([4, 5]);
  await writeConvertedPipeline(path, `${path}-out`);
  expect(JSON.parse(await readFile(`${path}-out/model_index.json`, 'utf8'))).toMatchObject({
    _class_name: 'StableDiffusionInpaintPipeline',
  });
});

it('should become a folder with the same weights, and the prediction that is asked for', async () => {
  const path = await checkpointFile('sd2');
  const [same, other] = [join(await temporaryFolder(), 'a'), join(await temporaryFolder(), 'b')];
  expect(await writeConvertedPipeline(path, other, { prediction: 'epsilon' })).toEqual([]);
  await writeConvertedPipeline(path, same);
  const [one, folder, epsilon] = await Promise.all([path, same, other].map((at) => readPipelineFolder(at)));
  expect(folder?.scheduler).toEqual(one?.scheduler);
  expect(epsilon?.scheduler).toEqual({ ...one?.scheduler, predictionType: 'epsilon' });
  expect(folder?.denoiser.config).toEqual(one?.denoiser.config);
  const name = 'text_model.encoder.layers.0.self_attn.v_proj.weight';
  const weights = await openComponentWeights(join(same, 'text_encoder/model.safetensors'));
  expect(weights.owners.get(name)?.record.dtype).toBe('F16');
  expect(await weights.read(name)).toEqual(await weight(path, 'text_encoder', name));
  await weights.close();
  expect(await readdir(join(same, 'tokenizer'))).toContain('merges.txt');
});

it('should be merged with an adapter, as its folder is', async () => {
  const path = await checkpointFile('sd1');
  const layer = 'down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q';
  const change = loraChange({
    ...{ key: `unet.${layer}`, rank: 1, alpha: 1 },
    ...{ loraA: new Float32Array(32).fill(0.5), loraB: new Float32Array(32).fill(0.25) },
  });
  const out = join(await temporaryFolder(), 'merged');
  await writeMergedPipeline(path, { unet: [change] }, out);
  const before = await weight(path, 'unet', `${layer}.weight`);
  const weights = await openComponentWeights(join(out, 'unet/diffusion_pytorch_model.safetensors'));
  expect(await weights.read(`${layer}.weight`)).toEqual(before.map((value) => value + 0.125));
  await weights.close();
});
