import { describe, expect, test } from 'vitest';
import type { HubFile } from '../../../src/models/hub/hub-client.js';
import { pipelineFiles } from '../../../src/models/hub/pipeline-files.js';
import type { Variant } from '../../../src/models/networks/component-weights.js';
import { faultOf } from '../../fixtures/fault-of.js';

const toFile = (path: string): HubFile => ({ path, size: 1, checksum: { kind: 'sha256', hex: '' } });
const choose = (paths: readonly string[], variant: Variant | null = null) =>
  pipelineFiles('owner/name', paths.map(toFile), { variant })
    .map(({ path }) => path)
    .sort();

const BASE = [
  'model_index.json',
  'scheduler/scheduler_config.json',
  'tokenizer/merges.txt',
  'tokenizer/vocab.json',
  'text_encoder/config.json',
  'unet/config.json',
  'vae/config.json',
];
const FULL = [
  'text_encoder/model.safetensors',
  'unet/diffusion_pytorch_model.safetensors',
  'vae/diffusion_pytorch_model.safetensors',
];
const HALF = FULL.map((path) => path.replace('.safetensors', '.fp16.safetensors'));
const GRAPHS = [
  'text_encoder/model.onnx',
  'unet/model.onnx',
  'unet/weights.pb',
  'unet/onnx__MatMul_9012',
  'vae_decoder/config.json',
  'vae_decoder/model.onnx',
];
const CLUTTER = [
  '.gitattributes',
  'README.md',
  'v1-5-pruned.ckpt',
  'v1-5-pruned.safetensors',
  'safety_checker/model.safetensors',
  'feature_extractor/preprocessor_config.json',
  'text_encoder/pytorch_model.bin',
  'text_encoder/flax_model.msgpack',
  'unet/diffusion_pytorch_model.bin',
  'unet/diffusion_pytorch_model.non_ema.safetensors',
  'unet/openvino_model.xml',
  'vae_encoder/model.onnx',
];
const sorted = (...lists: (readonly string[])[]) => lists.flat().sort();

describe('pipelineFiles', () => {
  test('should take configs and safetensors of full precision, and leave the rest', () => {
    expect(choose([...BASE, ...FULL, ...HALF, ...GRAPHS, ...CLUTTER])).toEqual(sorted(BASE, FULL));
  });

  test('should take a transformer where there is no UNet', () => {
    const others = (paths: readonly string[]) => [
      ...paths.map((path) => path.replace('unet/', 'transformer/')),
      ...paths.filter((path) => path.startsWith('t')).map((path) => path.replace(/^(\w+?)\//, '$1_2/')),
    ];
    const all = [...others(BASE), ...others(FULL)];
    expect(choose([...all, 'sd3.5_medium.safetensors'])).toEqual(all.sort());
  });

  test('should take the variant if it is named, or if there is nothing else', () => {
    expect(choose([...BASE, ...FULL, ...HALF], 'fp16')).toEqual(sorted(BASE, HALF));
    expect(choose([...BASE, ...HALF])).toEqual(sorted(BASE, HALF));
    expect(choose([...BASE, ...FULL], 'fp16')).toEqual(sorted(BASE, FULL));
  });

  test('should take graphs and the files beside them if there are no safetensors', () => {
    const configs = BASE.filter((path) => !path.startsWith('vae/'));
    expect(choose([...BASE, ...GRAPHS, ...CLUTTER.filter((path) => !path.includes('non_ema'))])).toEqual(
      sorted(configs, GRAPHS),
    );
    const root = ['text_encoder.onnx', 'unet.onnx', 'unet.onnx_data'];
    const pixels = configs.filter((path) => !path.startsWith('vae'));
    expect(choose([...pixels, ...root])).toEqual(sorted(pixels, root));
  });

  test('should take shards with their index, each precision its own', () => {
    const others = [...BASE, FULL[0]!, FULL[2]!];
    const full = ['.safetensors.index.json', '-00001-of-00002.safetensors', '-00002-of-00002.safetensors'];
    const half = [
      '.safetensors.index.fp16.json',
      '.fp16-00001-of-00002.safetensors',
      '-00002-of-00002.fp16.safetensors',
    ];
    const shards = (ends: readonly string[]) => ends.map((end) => `unet/diffusion_pytorch_model${end}`);
    const all = [...others, ...shards(full), ...shards(half)];
    expect(choose(all)).toEqual(sorted(others, shards(full)));
    expect(choose(all, 'fp16')).toEqual(sorted(others, shards(half)));
  });

  test('should take both text encoders of SDXL', () => {
    const second = [
      'text_encoder_2/config.json',
      'text_encoder_2/model.safetensors',
      'tokenizer_2/vocab.json',
    ];
    expect(choose([...BASE, ...FULL, ...second])).toEqual(sorted(BASE, FULL, second));
    expect(() => choose([...BASE, ...FULL, ...second.slice(0, 2)])).toThrow(
      'expected tokenizer_2, got no such files',
    );
  });

  test('should refuse pickles, and say why and what to do', async () => {
    const pickles = ['text_encoder/pytorch_model.bin', 'unet/diffusion_pytorch_model.bin'];
    expect(await faultOf(() => choose([...BASE, FULL[2]!, ...pickles]))).toEqual([
      'TRIB_MODEL',
      'owner/name: expected safetensors or ONNX of text_encoder, unet, got only pickles (text_encoder/pytorch_model.bin, unet/diffusion_pytorch_model.bin), which can run any code when they are loaded and are never read here. Convert the model with diffusers: load it and call save_pretrained(folder, safe_serialization=True). Or look for safetensors in another --revision.',
    ]);
  });

  test('should refuse what is not a pipeline with a UNet', async () => {
    expect(await faultOf(() => choose(['sd_xl.safetensors']))).toEqual([
      'TRIB_MODEL',
      'owner/name: expected a pipeline folder with model_index.json, got sd_xl.safetensors. Name the same model in the form of diffusers, or fetch what is there with --all.',
    ]);
    const flux = [...BASE.filter((path) => !path.startsWith('unet')), FULL[0]!, FULL[2]!];
    expect((await faultOf(() => choose(flux)))[1]).toContain(
      'expected unet, got no such files. Only pipelines',
    );
  });
});
