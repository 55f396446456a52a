import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UNET } from '../../../src/models/networks/denoiser-family.js';
import { writePipelineConfigs } from '../../../src/models/pipeline/pipeline-configs.js';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { STABLE_DIFFUSION } from '../diffusion/schedules.js';

const CONFIG = { sampleSize: [16, 24], channels: 3, crossAttentionDim: 64 } as const;

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pipeline-'));
  await writePipelineConfigs(folder, { scheduler: STABLE_DIFFUSION, denoiser: CONFIG });
  await put('tokenizer/vocab.json', '{}');
  await put('text_encoder/model.onnx', 'graph');
  await put('unet/model.onnx', 'graph');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function put(name: string, content: string): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), content);
}

describe('readPipelineFolder', () => {
  test('should read back the configs of a folder that works on pixels', async () => {
    expect(await readPipelineFolder(folder)).toEqual({
      path: folder,
      scheduler: STABLE_DIFFUSION,
      corrections: [],
      textEncoders: [
        {
          modelPath: join(folder, 'text_encoder/model.onnx'),
          views: null,
          tokenizer: join(folder, 'tokenizer'),
          architecture: null,
          component: 'text_encoder',
        },
      ],
      zeroEmptyPrompt: false,
      thirdTokens: 0,
      t5: null,
      denoiser: {
        family: UNET,
        modelPath: join(folder, 'unet/model.onnx'),
        views: null,
        config: { ...CONFIG, extraChannels: 0, pooledWidth: null, guidanceWidth: null },
        network: null,
      },
      vaeDecoder: null,
    });
  });

  test('should read back a flow, and name its scheduler in model_index.json', async () => {
    const scheduler = { predictionType: 'flow', numTrainTimesteps: 1000, shift: 3 } as const;
    await writePipelineConfigs(folder, { scheduler, denoiser: CONFIG });
    expect((await readPipelineFolder(folder)).scheduler).toEqual(scheduler);
    const index = JSON.parse(await readFile(join(folder, 'model_index.json'), 'utf8'));
    expect(index.scheduler).toEqual(['diffusers', 'FlowMatchEulerDiscreteScheduler']);
  });

  test('should correct what the named pipeline corrects, and list it', async () => {
    const index = JSON.parse(await readFile(join(folder, 'model_index.json'), 'utf8'));
    const scheduler = join(folder, 'scheduler/scheduler_config.json');
    const config = JSON.parse(await readFile(scheduler, 'utf8'));
    await put('scheduler/scheduler_config.json', JSON.stringify({ ...config, steps_offset: 0 }));
    const sizes = { sample_size: 32, in_channels: 3, out_channels: 3, cross_attention_dim: 64 };
    await put('unet/config.json', JSON.stringify({ ...sizes, _diffusers_version: '0.6.0' }));
    const read = async (_class_name: string) => {
      await put('model_index.json', JSON.stringify({ ...index, _class_name }));
      const { scheduler, denoiser, corrections } = await readPipelineFolder(folder);
      return [
        scheduler.predictionType !== 'flow' && scheduler.stepsOffset,
        denoiser.config.sampleSize,
        corrections,
      ];
    };
    expect(await read('StableDiffusionXLPipeline')).toEqual([0, [32, 32], []]);
    const unet = join(folder, 'unet/config.json');
    expect(await read('StableDiffusionPipeline')).toEqual([
      1,
      [64, 64],
      [
        expect.stringContaining(`${scheduler} steps_offset: 0 is read as 1`),
        expect.stringContaining(`${unet} sample_size: 32 is read as 64`),
      ],
    ]);
    await put('unet/config.json', JSON.stringify({ ...sizes, _diffusers_version: '0.9.0' }));
    expect((await read('StableDiffusionPipeline')).slice(0, 2)).toEqual([1, [32, 32]]);
  });

  test('should read the decoder of a latent model, and one size for both axes', async () => {
    await put('vae_decoder/model.onnx', 'graph');
    await put('vae_decoder/config.json', '{"scaling_factor": 0.13025, "latent_channels": 4}');
    await put(
      'unet/config.json',
      '{"sample_size": 64, "in_channels": 4, "out_channels": 4, "cross_attention_dim": 768}',
    );
    const { vaeDecoder, denoiser } = await readPipelineFolder(folder);
    expect(vaeDecoder).toEqual({
      modelPath: join(folder, 'vae_decoder/model.onnx'),
      views: null,
      config: { scalingFactor: 0.13025, shift: 0, upscaling: 8, tileSize: null },
      architecture: null,
    });
    expect(denoiser.config.sampleSize).toEqual([64, 64]);
    await put('vae_decoder/config.json', '{}');
    expect((await readPipelineFolder(folder)).vaeDecoder?.config.scalingFactor).toBe(0.18215);
  });

  test.each([
    ['model_index.json', 'expected a JSON file, got no such file'],
    ['scheduler/scheduler_config.json', 'expected a JSON file, got no such file'],
    ['tokenizer', "expected a folder with the tokenizer's vocabulary, got no such folder"],
    ['text_encoder/model.onnx', 'expected an ONNX graph, or model.safetensors beside it, got no such file'],
    [
      'unet/model.onnx',
      'expected an ONNX graph, or diffusion_pytorch_model.safetensors beside it, got no such file',
    ],
    ['unet/config.json', 'expected a JSON file, got no such file'],
  ])('should say that %s is missing, and what to do', async (name, text) => {
    await rm(join(folder, name), { recursive: true });
    const message = expect.stringMatching(`^${join(folder, name)}: ${text}\\. \\S.*\\.$`);
    await expect(readPipelineFolder(folder)).rejects.toEqual(
      expect.objectContaining({ code: 'TRIB_MODEL', message }),
    );
  });

  test.each([
    ['unet/model.onnx', '', 'unet/model.onnx: expected an ONNX graph, got an empty file'],
    [
      'model_index.json',
      '{"unet": ["a", "b"]}',
      'model_index.json scheduler: expected [library, class], got nothing (and',
    ],
    [
      'unet/config.json',
      '{"sample_size": "big"}',
      'unet/config.json sample_size: expected a size, or [height, width], got "big"',
    ],
    ['vae_decoder/config.json', '{}', 'vae_decoder/model.onnx: expected an ONNX graph, or'],
  ])('should refuse %s with content %j', async (name, content, text) => {
    await put(name, content);
    await expect(readPipelineFolder(folder)).rejects.toThrow(text);
  });

  test.each([
    ['shift_factor', 0.06],
    ['latents_mean', [0, 0, 0, 0]],
  ])('should refuse a decoder whose latents are shifted: %s', async (key, value) => {
    await put('vae_decoder/model.onnx', 'graph');
    await put('vae_decoder/config.json', JSON.stringify({ scaling_factor: 1.5, [key]: value }));
    await expect(readPipelineFolder(folder)).rejects.toThrow(`vae_decoder/config.json ${key}: expected `);
  });

  test('should refuse a network with other outputs than latents', async () => {
    const sizes = { sample_size: 8, in_channels: 4, out_channels: 8, cross_attention_dim: 64 };
    await put('unet/config.json', JSON.stringify(sizes));
    await expect(readPipelineFolder(folder)).rejects.toThrow(
      'unet/config.json in_channels: expected at least 8 as in out_channels (a learned variance is not offered), got 4.',
    );
  });

  test('should refuse a path that is no folder', async () => {
    await expect(readPipelineFolder(join(folder, 'none'))).rejects.toThrow(
      'expected a pipeline folder, or a checkpoint in one .safetensors file, got no such',
    );
    await expect(readPipelineFolder(join(folder, 'unet/model.onnx'))).rejects.toThrow('got a file');
  });
});

describe('writePipelineConfigs', () => {
  test('should write the same bytes again', async () => {
    const names = ['model_index.json', 'scheduler/scheduler_config.json', 'unet/config.json'];
    const read = () => Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
    const before = await read();
    await writePipelineConfigs(folder, { scheduler: { ...STABLE_DIFFUSION }, denoiser: { ...CONFIG } });
    expect(await read()).toEqual(before);
  });
});
