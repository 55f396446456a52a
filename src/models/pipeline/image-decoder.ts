/** @file From latents to pictures: the decoder of a VAE, a few pictures at a time. */

import { at } from '../../at.js';
import { compileGraph, compileModelFile } from '../engines/compile-graph.js';
import type { Engine, Executable } from '../engines/contract/engine.js';
import { fuseForInference } from '../graph/passes/fuse.js';
import { openComponentWeights } from '../networks/component-weights.js';
import { networkGraph, readNetworkWeights } from '../networks/network-weights.js';
import { elementCount, float32, float32Data, type Tensor } from '../tensor.js';
import { decodeTiles } from './decode-tiles.js';
import type { PipelineFolder } from './pipeline-folder.js';

interface ImageDecoder {
  /** Turns latents [B, C, h, w] into pictures [B, 3, H, W], before they are clamped. */
  decode(latents: Float32Array, batchSize: number): Promise<Tensor<'float32'>>;
  release(): Promise<void>;
}

type VaeDecoder = NonNullable<PipelineFolder['vaeDecoder']>;

/** Weights of the encoder, which nothing here uses. */
export const ENCODER = /^(encoder|quant_conv)\./;

/** Largest number of latent positions decoded at once: one picture of 512 x 512. */
const MOST_POSITIONS = 64 * 64;

/** Largest number of latent positions of a picture that is decoded whole: 1024 x 1024. */
const MOST_WHOLE_POSITIONS = 128 * 128;

/**
 * Opens the decoder of a pipeline for latents [C, h, w]. Large pictures are decoded one by one, because a few at once take
 * gigabytes; still larger ones in tiles of the size that the autoencoder was trained on.
 *
 * Errors: as `compileModelFile` and `readNetworkWeights`.
 * @param mostWholePositions positions of one picture's latents, h · w, beyond which it is decoded in tiles.
 */
export async function openImageDecoder(
  engine: Engine,
  onDisk: VaeDecoder,
  latentShape: readonly [number, number, number],
  mostWholePositions = MOST_WHOLE_POSITIONS,
): Promise<ImageDecoder> {
  const { scalingFactor, shift, upscaling: scale, tileSize } = onDisk.config;
  const [channels, height, width] = latentShape;
  const decoders = await openDecoders(engine, onDisk);
  const size = elementCount(latentShape);
  const isTiled = tileSize !== null && height * width > mostWholePositions;

  async function run(latents: Float32Array, shape: readonly [number, number, number, number]) {
    const decoder = await decoders.of(shape.slice(1));
    const { sample } = await decoder.run({ latent_sample: float32(latents, shape) });
    return float32(float32Data(sample, 'sample'), sample?.shape ?? []);
  }
  /** One picture [1, 3, H, W] in tiles. */
  async function runTiles(latents: Float32Array, tileSize: number) {
    const whole = await decodeTiles(latents, latentShape, { tileSize, scale }, async (part, h, w) => {
      const { data, shape } = await run(part, [1, channels, h, w]);
      return { data, channels: at(shape, 1), height: at(shape, 2), width: at(shape, 3) };
    });
    return float32(whole.data, [1, whole.channels, whole.height, whole.width]);
  }
  if (!isTiled) await decoders.of(latentShape);
  const atOnce = isTiled ? 1 : Math.max(1, Math.floor(MOST_POSITIONS / (height * width)));
  return {
    async decode(latents, batchSize) {
      const scaled = latents.map((value) => value / scalingFactor + shift);
      const parts: Tensor<'float32'>[] = [];
      for (let start = 0; start < batchSize; start += atOnce) {
        const rows = Math.min(atOnce, batchSize - start);
        const part = scaled.slice(start * size, (start + rows) * size);
        parts.push(
          isTiled ? await runTiles(part, tileSize) : await run(part, [rows, channels, height, width]),
        );
      }
      const shape = [batchSize, ...at(parts, 0).shape.slice(1)];
      return float32(concat(parts.map(({ data }) => data)), shape);
    },
    release: () => decoders.release(),
  };
}

interface Decoders {
  /** The decoder for latents [C, h, w]. */
  of(shape: readonly number[]): Promise<Executable>;
  release(): Promise<void>;
}

/** An ONNX graph takes latents of any size; one that is built here is compiled for each size. */
async function openDecoders(
  engine: Engine,
  { modelPath: label, views, architecture }: VaeDecoder,
): Promise<Decoders> {
  if (!architecture) {
    const executable = await compileModelFile(engine, label);
    return { of: async () => executable, release: () => executable.release() };
  }
  const definition = (shape: readonly number[]) => architecture.network([1, ...shape]);
  const weights = await openComponentWeights(label, views);
  const small = definition([architecture.latentChannels, 8, 8]);
  const read = await readNetworkWeights(small, weights, ENCODER, engine.raises).finally(() =>
    weights.close(),
  );
  const executables = new Map<string, Executable>();
  return {
    async of(shape) {
      const known = executables.get(shape.join());
      if (known) return known;
      const graph = fuseForInference(networkGraph(definition(shape), read));
      const symbolicAxes = { latent_sample: ['batch'], sample: ['batch'] };
      const executable = await compileGraph(engine, graph, { label, symbolicAxes });
      executables.set(shape.join(), executable);
      return executable;
    },
    async release() {
      for (const executable of executables.values()) await executable.release();
    },
  };
}

function concat(parts: readonly Float32Array[]): Float32Array {
  const [only] = parts;
  if (only && parts.length === 1) return only;
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}
