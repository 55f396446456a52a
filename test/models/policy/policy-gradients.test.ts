/**
 * @file The gradients of the whole training loss: UNet with LoRA, guidance, log-prob, surrogate. Held against PyTorch (the
 * fixture is made by tools/reference/shapes_unet_gradients.py from the shipped model) and against central differences.
 */

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine, Executable, Tensors } from '../../../src/models/engines/contract/engine.js';
import type { SafetensorsTensor } from '../../../src/models/files/safetensors.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { encodeGraph } from '../../../src/models/graph/onnx/encode.js';
import { timestepTensor } from '../../../src/models/networks/open-denoiser-graph.js';
import { openPipeline } from '../../../src/models/pipeline/pipeline.js';
import { buildPolicyGraph } from '../../../src/models/policy/policy-graph.js';
import type { Tensor } from '../../../src/models/tensor.js';
import { float32, float32Data } from '../../../src/models/tensor.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { createDraw } from '../autodiff/check-gradient.js';

const MODEL = 'test/fixtures/first-shapes';
const FIXTURE = 'test/fixtures/shapes-unet-gradients.safetensors';
const TOLERANCE = 1e-3;
const isModelThere = existsSync(`${MODEL}/unet/model.onnx`);

/** |a - b| / |b|, as vectors. */
function relativeError(found: Float32Array, expected: Float32Array): number {
  let [error, size] = [0, 0];
  expected.forEach((value, i) => {
    error += ((found[i] ?? Number.NaN) - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(error / size);
}

const asTensor = ({ shape, data }: SafetensorsTensor): Tensor => float32(data as Float32Array, shape);

describe.skipIf(!isModelThere)(
  'gradients of the policy (skipped where the shapes model has not been made)',
  () => {
    let engine: Engine;
    let executable: Executable;
    let expected: ReadonlyMap<string, SafetensorsTensor>;
    let feeds: Record<string, Tensor>;
    let results: Tensors;

    beforeAll(async () => {
      const { tensors, metadata } = decodeSafetensors(readFileSync(FIXTURE), FIXTURE);
      const digest = createHash('sha256')
        .update(readFileSync(`${MODEL}/unet/model.onnx`))
        .digest('hex');
      if (metadata.modelSha256 !== digest)
        throw new Error(
          `${FIXTURE} was made from another model. Run tools/reference/shapes_unet_gradients.py.`,
        );
      expected = tensors;
      engine = sharedEngine();
      const pipeline = await openPipeline(engine, MODEL);
      const { graph } = await buildPolicyGraph(engine, pipeline, {
        lora: {
          pattern: 'attn[12]/to_(q|k|v|out\\.0)',
          rank: Number(metadata.rank),
          alpha: Number(metadata.alpha),
        },
        guidanceScale: Number(metadata.guidanceScale),
        minibatchSize: Number(metadata.pairs),
        surrogate: {
          type: 'ddpo-is',
          clipRange: Number(metadata.clipRange),
          advClipMax: Number(metadata.advClipMax),
        },
        measureKl: false,
        gradientCheckpointing: 'off',
        precision: 'float32',
      });
      executable = await engine.compile(encodeGraph(graph), { label: 'policy' });
      feeds = Object.fromEntries(
        [...tensors].flatMap(([name, tensor]) =>
          name.startsWith('input:') ? [[name.slice(6), asTensor(tensor)]] : [],
        ),
      );
      const port = executable.inputs.find(({ name }) => name === 'timestep');
      feeds.timestep = timestepTensor(
        [...float32Data(feeds.timestep, 'timestep')],
        port?.type ?? 'int64',
        port?.shape ?? [],
      );
      results = await executable.run(feeds);
    });

    const parametersOf = () =>
      executable.inputs.flatMap(({ name }) => (name.includes('.lora_') ? [name] : []));

    it('should have the loss and the ratios that PyTorch finds', () => {
      for (const name of ['loss', 'ratio'])
        expect(
          relativeError(float32Data(results[name], name), expected.get(name)?.data as Float32Array),
        ).toBeLessThan(1e-4);
    });

    it('should agree with PyTorch for every parameter', () => {
      const names = parametersOf();
      expect(names.length).toBe(48);
      for (const name of names) {
        const gradient = expected.get(`gradient:${name}`)?.data as Float32Array;
        expect(relativeError(float32Data(results[`gradient:${name}`], name), gradient), name).toBeLessThan(
          TOLERANCE,
        );
      }
    });

    it('should agree with central differences, along the gradient and along random directions', async () => {
      const names = parametersOf();
      const gradients = new Map(names.map((name) => [name, float32Data(results[`gradient:${name}`], name)]));
      const lossAt = async (direction: ReadonlyMap<string, Float32Array>, length: number) => {
        const moved = Object.fromEntries(
          names.map((name) => {
            const tensor = feeds[name] as Tensor;
            const along = direction.get(name);
            const data = float32Data(tensor, name).map((value, i) => value + length * (along?.[i] ?? 0));
            return [name, float32(data, tensor.shape)];
          }),
        );
        return float32Data((await executable.run({ ...feeds, ...moved })).loss, 'loss')[0] ?? Number.NaN;
      };
      const norm = Math.sqrt(
        [...gradients.values()].reduce((sum, data) => sum + data.reduce((s, v) => s + v * v, 0), 0),
      );
      const steepest = new Map(
        [...gradients].map(([name, data]) => [name, data.map((value) => value / norm)]),
      );
      const draw = createDraw(3);
      // Half random, half along the gradient: a slope that stands out from the rounding of a float32 loss.
      const mixed = [1, 2].map(
        () =>
          new Map([...steepest].map(([name, data]) => [name, data.map((value) => value * (0.5 + draw()))])),
      );
      for (const direction of [steepest, ...mixed]) {
        const step = 0.01;
        const slope = ((await lossAt(direction, step)) - (await lossAt(direction, -step))) / (2 * step);
        const claimed = names.reduce((sum, name) => {
          const along = direction.get(name) ?? new Float32Array();
          return (
            sum + (gradients.get(name) ?? new Float32Array()).reduce((s, v, i) => s + v * (along[i] ?? 0), 0)
          );
        }, 0);
        expect(Math.abs(slope - claimed) / Math.abs(claimed)).toBeLessThan(TOLERANCE);
      }
    });
  },
);
