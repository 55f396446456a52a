/** @file The tiny SDXL as exporters would leave it: ONNX in three places, token ids of two types, open batch sizes. */

import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toBinary } from '@bufbuild/protobuf';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { decodeModel } from '../../../src/models/graph/onnx/decode.js';
import { encodeGraph } from '../../../src/models/graph/onnx/encode.js';
import { ModelProtoSchema, TensorProto_DataType } from '../../../src/models/graph/onnx/onnx_pb.js';
import type { WeightChange } from '../../../src/models/graph/weights/weight-change.js';
import {
  autoencoderKlDecoder,
  readAutoencoderConfig,
} from '../../../src/models/networks/autoencoder-kl-decoder.js';
import { clipTextModel, readClipTextConfig } from '../../../src/models/networks/clip-text-model.js';
import { openComponentWeights } from '../../../src/models/networks/component-weights.js';
import {
  type Network,
  networkGraph,
  readNetworkWeights,
} from '../../../src/models/networks/network-weights.js';
import { unet2dCondition } from '../../../src/models/networks/unet-2d-condition.js';
import { readUnet2dConditionConfig } from '../../../src/models/networks/unet-config.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openPipeline, type Pipeline } from '../../../src/models/pipeline/pipeline.js';
import { initialParameters } from '../../../src/models/policy/adapter-parameters.js';
import { TINY_LORA } from '../../fixtures/open-tiny.js';
import { largestDifference, randomTensor } from '../../fixtures/run-model.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const SDXL = 'test/fixtures/stable-diffusion/sdxl';
const CAT = { path: 'test/fixtures/textual-inversions/sdxl/cat.safetensors', token: '<cat>' };
const PROMPT = 'two cats, oil on canvas!';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

async function exported(
  network: Network,
  weightsPath: string,
  others: RegExp,
  isOpen: boolean,
): Promise<Uint8Array> {
  const weights = await openComponentWeights(weightsPath);
  const graph = networkGraph(network, await readNetworkWeights(network, weights, others));
  await weights.close();
  const open = [...graph.inputs, ...graph.outputs].filter(() => isOpen);
  return encodeGraph(graph, { symbolicAxes: Object.fromEntries(open.map(({ name }) => [name, ['batch']])) });
}

/** Writes the folder anew with ONNX graphs in the place of all weights. */
async function exportFolder(): Promise<string> {
  const folder = join(await temporaryFolder(), 'sdxl');
  await cp(SDXL, folder, { recursive: true });
  const put = async (name: string, bytes: Uint8Array) => {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), bytes);
  };
  for (const name of ['text_encoder', 'text_encoder_2']) {
    const config = await readClipTextConfig(join(SDXL, name, 'config.json'));
    const bytes = await exported(
      (layer) => clipTextModel(layer, config, 77),
      join(SDXL, name, 'model.fp16.safetensors'),
      /^$/,
      false,
    );
    await put(`${name}/model.onnx`, name === 'text_encoder' ? withInt32Ids(bytes) : bytes);
  }
  const unet = await readUnet2dConditionConfig(join(SDXL, 'unet/config.json'));
  const sizes = { rows: 1, sampleSize: unet.sampleSize, tokens: 77 };
  const weights = 'diffusion_pytorch_model.fp16.safetensors';
  await put(
    'unet.onnx',
    await exported((layer) => unet2dCondition(layer, unet, sizes), join(SDXL, 'unet', weights), /^$/, true),
  );
  const vae = await readAutoencoderConfig(join(SDXL, 'vae/config.json'));
  const decoder: Network = (layer) => autoencoderKlDecoder(layer, vae, [1, 4, 8, 8]);
  await put(
    'vae_decoder/vae_decoder.onnx',
    await exported(decoder, join(SDXL, 'vae', weights), /^(encoder|quant)/, true),
  );
  await cp(join(SDXL, 'vae/config.json'), join(folder, 'vae_decoder/config.json'));
  await rm(join(folder, 'vae'), { recursive: true });
  for (const entry of await readdir(folder, { recursive: true }))
    if (entry.endsWith('.safetensors')) await rm(join(folder, entry));
  return folder;
}

function withInt32Ids(bytes: Uint8Array): Uint8Array {
  const model = decodeModel(bytes, 'text encoder');
  const type = model.graph.input.find(({ name }) => name === 'input_ids')?.type?.value;
  if (type?.case === 'tensorType') type.value.elemType = TensorProto_DataType.INT32;
  return toBinary(ModelProtoSchema, model);
}

describe('a folder of ONNX graphs for SDXL', () => {
  it('should be the same pipeline as the weights that it was exported from', async () => {
    const folders = [SDXL, await exportFolder()];
    const pipelines: Pipeline[] = [];
    for (const folder of folders) pipelines.push(await openPipeline(engine, folder));
    const [built, loaded] = pipelines as [Pipeline, Pipeline];
    // A graph of ONNX says nothing of how often it halves its latents.
    const { latentMultiple: _, ...config } = built.folder.denoiser.config;
    expect(loaded.folder.denoiser.config).toEqual(config);
    const row = await built.embedPrompt(PROMPT);
    expect(largestDifference(await loaded.embedPrompt(PROMPT), row)).toBeLessThan(1e-5);
    expect(loaded.conditioning([row], 1)).toEqual(built.conditioning([row], 1));

    const latents = randomTensor(1, [2, 4, 8, 8]).data;
    const predictions: Float32Array[] = [];
    for (const pipeline of pipelines) {
      const denoiser = await openDenoiser(engine, pipeline, { lora: TINY_LORA, rows: [2] });
      await denoiser.usePolicy(initialParameters(denoiser.adapters, TINY_LORA, 1));
      const both = Float32Array.from([...row, ...row]);
      predictions.push(await denoiser.predict(latents, 501, both));
      await denoiser.release();
    }
    expect(largestDifference(predictions[1] as Float32Array, predictions[0] as Float32Array)).toBeLessThan(
      1e-5,
    );
    expect(largestDifference(await loaded.decode(latents, 2), await built.decode(latents, 2))).toBeLessThan(
      1e-5,
    );
    expect(await loaded.imageShape()).toEqual([3, 16, 16]);

    // Changed weights, of a text encoder and of the denoiser; and a token of a textual inversion.
    const keys = ['text_encoder.text_model.encoder.layers.0.mlp.fc1', 'unet.conv_in'];
    const changes = Object.fromEntries(
      keys.map((key) => {
        const [component = '', ...module] = key.split('.');
        const change: WeightChange = {
          name: `${module.join('.')}.weight`,
          shapeIn: (_, found) => found,
          apply: (weight) => weight.set(weight.map((value) => 2 * value)),
        };
        return [component, [change]];
      }),
    );
    const rows: Float32Array[] = [];
    const withToken: Float32Array[] = [];
    const changed: Float32Array[] = [];
    for (const folder of folders) {
      const pipeline = await openPipeline(engine, folder, { changes, embeddings: [CAT] });
      rows.push(await pipeline.embedPrompt(PROMPT));
      withToken.push(await pipeline.embedPrompt(`${PROMPT} <cat>`));
      const denoiser = await openDenoiser(engine, pipeline, { lora: TINY_LORA, rows: [2] });
      await denoiser.usePolicy(initialParameters(denoiser.adapters, TINY_LORA, 1));
      changed.push(await denoiser.predict(latents, 501, Float32Array.from([...row, ...row])));
      await denoiser.release();
    }
    for (const [one, before] of [
      [rows, row],
      [withToken, await loaded.embedPrompt(`${PROMPT} <cat>`)],
      [changed, predictions[0]],
    ] as const) {
      const [first = row, second = row] = one;
      expect(largestDifference(second, first)).toBeLessThan(1e-5);
      expect(largestDifference(second, before as Float32Array)).toBeGreaterThan(1e-3);
    }
  });
});
