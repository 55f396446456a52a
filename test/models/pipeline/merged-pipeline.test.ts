/** @file Adapters merged into pipelines of every kind of UNet file: what is written runs as the base with the adapter does. */

import { cp, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { toBinary } from '@bufbuild/protobuf';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeLoraFile, encodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import type { LoraLayer } from '../../../src/models/adapters/lora-layer.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { decodeModel } from '../../../src/models/graph/onnx/decode.js';
import { ModelProtoSchema, TensorProto_DataLocation } from '../../../src/models/graph/onnx/onnx_pb.js';
import { addLora } from '../../../src/models/graph/weights/lora.js';
import { adapterFeeds } from '../../../src/models/graph/weights/policy-feeds.js';
import { loraChange } from '../../../src/models/graph/weights/weight-change.js';
import { openDenoiserGraph } from '../../../src/models/networks/open-denoiser-graph.js';
import { writeMergedPipeline } from '../../../src/models/pipeline/merged-pipeline.js';
import { openPipeline } from '../../../src/models/pipeline/pipeline.js';
import { adapterParameters, decodeAdapter } from '../../../src/models/policy/adapter-parameters.js';
import { elementCount, type Tensor } from '../../../src/models/tensor.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { movedOut, rounded } from '../../fixtures/onnx-variants.js';
import { largestDifference, randomTensor, runModel } from '../../fixtures/run-model.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { writeTinyPipeline } from '../../fixtures/tiny-pipeline.js';

const FIXTURES = 'test/fixtures/stable-diffusion';
const EVERYTHING = 'attn[12]/to_|ff/|proj_|resnets|samplers|conv_';
const ROWS = 2;

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

/** The UNet's output for fixed random inputs, with an adapter beside it where there is one. */
async function outputOf(path: string, layers?: readonly LoraLayer[]): Promise<Float32Array> {
  const pipeline = await openPipeline(engine, path);
  let graph = await openDenoiserGraph(engine, pipeline, ROWS);
  let feeds: Record<string, Tensor> = Object.fromEntries(
    graph.inputs.map(({ name, type, shape }, seed) => {
      const noise = randomTensor(seed, shape);
      if (name !== 'timestep') return [name, noise];
      const data =
        type === 'int64' ? new BigInt64Array(elementCount(shape)).fill(500n) : noise.data.fill(500);
      return [name, { type, shape, data }];
    }),
  );
  if (layers) {
    const file = decodeAdapter(encodeLoraFile(layers), 'adapter');
    const { rank, alpha, layers: names } = file;
    const adapted = addLora(graph, { pattern: '', rank, alpha, layers: names, form: 'beside' }, path);
    graph = adapted.graph;
    const parameters = adapterParameters(file, adapted.adapters, 'adapter');
    feeds = { ...feeds, ...adapterFeeds(adapted.adapters, parameters, rank) };
  }
  await pipeline.release();
  return (await runModel(engine, graph, feeds)).out_sample as Float32Array;
}

/** Layers of every kind in a pipeline's UNet. */
async function randomLayers(path: string): Promise<LoraLayer[]> {
  const pipeline = await openPipeline(engine, path);
  const graph = await openDenoiserGraph(engine, pipeline, ROWS);
  const { adapters } = addLora(graph, { pattern: EVERYTHING, rank: 2, alpha: 3, form: 'beside' }, path);
  await pipeline.release();
  return adapters.map(({ layer, inFeatures, outFeatures, kernel }, index) => ({
    key: `unet.${layer}`,
    loraA: randomTensor(300 + index, [2 * inFeatures * elementCount(kernel ?? [])], 0.2).data,
    loraB: randomTensor(400 + index, [outFeatures * 2], 0.2).data,
    rank: 2,
    alpha: 3,
    ...(kernel && { kernel }),
  }));
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  Buffer.from(buffer, byteOffset, byteLength);

const merge = (path: string, layers: readonly LoraLayer[], out: string) =>
  writeMergedPipeline(path, { unet: layers.map(loraChange) }, out);

async function filesOf(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1)).sort();
}

describe('a folder of diffusers', () => {
  it.each(['sd1', 'sd2', 'sdxl'])('should become one that is base and adapter: %s', async (name) => {
    const base = `${FIXTURES}/${name}`;
    const out = join(await temporaryFolder(), 'merged');
    const layers = await randomLayers(base);
    expect(layers.length).toBeGreaterThan(30);
    await merge(base, layers, out);
    expect(await filesOf(out)).toEqual(await filesOf(base));
    const [merged, adapted] = [await outputOf(out), await outputOf(base, layers)];
    expect(largestDifference(merged, adapted)).toBeLessThan(1e-5);
    expect(largestDifference(merged, await outputOf(base))).toBeGreaterThan(0.05);
  });

  it('should keep files, names, metadata and what is not changed, byte for byte', async () => {
    const base = `${FIXTURES}/sd2`;
    const out = join(await temporaryFolder(), 'merged');
    const [layer] = await randomLayers(base);
    await merge(base, [layer as LoraLayer], out);
    const changed: string[] = [];
    for (const file of await filesOf(base)) {
      const [before, after] = [await readFile(join(base, file)), await readFile(join(out, file))];
      if (!file.startsWith('unet/') || !file.endsWith('.safetensors')) {
        expect(after.equals(before), file).toBe(true);
        continue;
      }
      const [one, other] = [decodeSafetensors(before, file), decodeSafetensors(after, file)];
      expect(other.metadata).toEqual(one.metadata);
      expect([...other.tensors.keys()].sort()).toEqual([...one.tensors.keys()].sort());
      for (const [name, { dtype, shape, data }] of one.tensors) {
        const now = other.tensors.get(name);
        const isSame =
          now?.dtype === dtype && `${now.shape}` === `${shape}` && bytesOf(now.data).equals(bytesOf(data));
        if (!isSame) changed.push(name);
      }
    }
    expect(changed).toEqual([`${layer?.key.replace('unet.', '')}.weight`]);
  });

  it('should hold what was changed in single precision, and the rest in half', async () => {
    const base = `${FIXTURES}/sd1`;
    const out = join(await temporaryFolder(), 'merged');
    const [layer] = await randomLayers(base);
    await merge(base, [layer as LoraLayer], out);
    const file = join(out, 'unet/diffusion_pytorch_model.safetensors');
    const { tensors } = decodeSafetensors(await readFile(file), file);
    const single = [...tensors].filter(([, { dtype }]) => dtype === 'F32').map(([name]) => name);
    expect(single).toEqual([`${layer?.key.replace('unet.', '')}.weight`]);
  });

  it('should leave out other forms of the UNet, which are still those of the base', async () => {
    const folder = await temporaryFolder();
    const [base, out] = [join(folder, 'base'), join(folder, 'merged')];
    await cp(`${FIXTURES}/sd1`, base, { recursive: true });
    for (const name of [
      'diffusion_pytorch_model.fp16.safetensors',
      'diffusion_pytorch_model.bin',
      'note.txt',
    ])
      await writeFile(join(base, 'unet', name), 'x');
    await merge(base, await randomLayers(base), out);
    expect((await readdir(join(out, 'unet'))).sort()).toEqual([
      'config.json',
      'diffusion_pytorch_model.safetensors',
      'note.txt',
    ]);
  });

  it('should name every layer that does not fit, and write nothing', async () => {
    const base = `${FIXTURES}/sd1`;
    const folder = await temporaryFolder();
    const [layer] = await randomLayers(base);
    const other = { ...(layer as LoraLayer), key: 'unet.mid_block.attentions.7.proj_in' };
    expect(await faultOf(() => merge(base, [layer as LoraLayer, other], join(folder, 'merged')))).toEqual([
      'TRIB_LORA',
      expect.stringContaining('1 of them do not fit: mid_block.attentions.7.proj_in (no such layer)'),
    ]);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('an ONNX model with weights outside', () => {
  /** The tiny pipeline, its UNet's weights in two files. */
  async function outside(isHalf: boolean): Promise<{ base: string; inside: string; out: string }> {
    const folder = await temporaryFolder();
    const [base, inside] = [join(folder, 'base'), join(folder, 'inside')];
    await writeTinyPipeline(base);
    await writeTinyPipeline(inside);
    const path = join(base, 'unet/model.onnx');
    const model = decodeModel(Uint8Array.from(await readFile(path)), path);
    rounded(model, isHalf);
    await writeFile(join(inside, 'unet/model.onnx'), toBinary(ModelProtoSchema, model));
    for (const [name, bytes] of movedOut(model)) {
      await mkdir(dirname(join(base, 'unet', name)), { recursive: true });
      await writeFile(join(base, 'unet', name), bytes);
    }
    await writeFile(path, toBinary(ModelProtoSchema, model));
    return { base, inside, out: join(folder, 'merged') };
  }

  it.each([false, true])('should become base and adapter, in half precision: %s', async (isHalf) => {
    const { base, inside, out } = await outside(isHalf);
    const layers = await randomLayers(base);
    await merge(base, layers, out);
    const merged = await outputOf(out);
    expect(largestDifference(merged, await outputOf(base, layers))).toBeLessThan(1e-5);
    expect(largestDifference(merged, await outputOf(base))).toBeGreaterThan(0.05);
    await merge(inside, layers, `${out}-inside`);
    expect(merged).toEqual(await outputOf(`${out}-inside`));
  });

  it('should lie in one file beside the model, aligned to pages, and the former files be gone', async () => {
    const { base, out } = await outside(false);
    await merge(base, await randomLayers(base), out);
    expect((await readdir(join(out, 'unet'), { recursive: true })).sort()).toEqual([
      'config.json',
      'model.onnx',
      'model.onnx_data',
    ]);
    const { graph } = decodeModel(await readFile(join(out, 'unet/model.onnx')), 'merged');
    const places = graph.initializer
      .filter(({ dataLocation }) => dataLocation === TensorProto_DataLocation.EXTERNAL)
      .map(({ externalData }) => Object.fromEntries(externalData.map(({ key, value }) => [key, value])));
    expect(places.length).toBeGreaterThan(50);
    expect(new Set(places.map(({ location }) => location))).toEqual(new Set(['model.onnx_data']));
    expect(places.every(({ offset }) => Number(offset) % 4096 === 0)).toBe(true);
  });

  it('should say which file is too short or not there, and write nothing', async () => {
    const { base, out } = await outside(false);
    const layers = await randomLayers(base);
    const data = join(base, 'unet/model.onnx_data');
    await writeFile(data, (await readFile(data)).subarray(0, 100));
    expect(await faultOf(() => merge(base, layers, out))).toEqual([
      'TRIB_MODEL',
      expect.stringMatching(
        /initializer ".+": expected \d+ bytes from byte \d+ of model.onnx_data, got a file of 100/,
      ),
    ]);
    await rename(data, `${data}.gone`);
    expect(await faultOf(() => merge(base, layers, out))).toEqual([
      'TRIB_FILE',
      expect.stringContaining('model.onnx_data: expected the file of a model, got ENOENT'),
    ]);
    expect(await readdir(dirname(out))).toEqual(['base', 'inside']);
  });
});

it('should merge an adapter of a file as it merges its layers', async () => {
  const folder = await temporaryFolder();
  const base = `${FIXTURES}/sd2`;
  const layers = await randomLayers(base);
  const read = decodeLoraFile(encodeLoraFile(layers, { format: 'kohya', dtype: 'fp32' }), 'adapter');
  await merge(base, layers, join(folder, 'one'));
  await merge(base, read, join(folder, 'other'));
  for (const file of await filesOf(join(folder, 'one'))) {
    const [one, other] = [
      await readFile(join(folder, 'one', file)),
      await readFile(join(folder, 'other', file)),
    ];
    expect(one.equals(other), file).toBe(true);
  }
});
