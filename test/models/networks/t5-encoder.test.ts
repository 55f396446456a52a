/** @file The T5 encoder, compared with transformers: tools/reference/t5_encoder.py. */

import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { at, named } from '../../../src/at.js';
import { compileGraph } from '../../../src/models/engines/compile-graph.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsTensor,
} from '../../../src/models/files/safetensors.js';
import { openComponentWeights } from '../../../src/models/networks/component-weights.js';
import { networkGraph, readNetworkWeights } from '../../../src/models/networks/network-weights.js';
import { readT5Config, T5_UNUSED, t5Encoder } from '../../../src/models/networks/t5-encoder.js';
import { relativePositionBuckets } from '../../../src/models/networks/t5-positions.js';
import { decodeBfloat16, decodeFloat16, encodeFloat16 } from '../../../src/models/numeric/float16.js';
import { float32Data, int64 } from '../../../src/models/tensor.js';
import { formulaWeights } from '../../fixtures/formula-numbers.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const { config, weights, ids, output, buckets } = JSON.parse(
  readFileSync('test/fixtures/t5/encoder.json', 'utf8'),
) as {
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: Readonly<Record<string, readonly number[]>>;
  readonly ids: readonly number[];
  readonly output: readonly number[];
  readonly buckets: readonly {
    readonly buckets: number;
    readonly distance: number;
    readonly of: readonly number[];
  }[];
};

async function folderWith(json: object) {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'config.json'), JSON.stringify(json));
  return { folder, config: join(folder, 'config.json') };
}

async function encode(folder: string, file: string): Promise<Float32Array> {
  const read = await readT5Config(join(folder, 'config.json'));
  const network = (layer: Parameters<typeof t5Encoder>[0]) => t5Encoder(layer, read, ids.length);
  const source = await openComponentWeights(join(folder, file));
  const graph = networkGraph(network, await readNetworkWeights(network, source, T5_UNUSED));
  await source.close();
  const executable = await compileGraph(sharedEngine(), graph, { label: 't5' });
  const feeds = { input_ids: int64([...ids], [1, ids.length]) };
  const { last_hidden_state: found } = await executable.run(feeds);
  await executable.release();
  return float32Data(found, 'last_hidden_state');
}

/** Largest difference, relative to the largest number. */
function difference(found: Float32Array, expected: ArrayLike<number>): number {
  expect(found).toHaveLength(expected.length);
  const differences = found.map((value, index) => Math.abs(value - at(expected, index)));
  return Math.max(...differences) / Math.max(...Array.from(expected, Math.abs));
}

describe('t5Encoder', () => {
  it('should compute what transformers does', async () => {
    const { folder } = await folderWith(config);
    await writeFile(join(folder, 'model.safetensors'), formulaWeights(weights));
    expect(difference(await encode(folder, 'model.safetensors'), output)).toBeLessThan(1e-5);
  });

  it.each(['F16', 'BF16'] as const)(
    'should read shards in %s, and a second name of the table of tokens',
    async (dtype) => {
      const { folder } = await folderWith(config);
      const { tensors } = decodeSafetensors(formulaWeights(weights), 'weights');
      const files = { 'a.safetensors': new Map(), 'b.safetensors': new Map() };
      const rounded = new Map<string, SafetensorsTensor>();
      const weightMap: Record<string, string> = {};
      const put = (file: keyof typeof files, name: string, { shape, data }: SafetensorsTensor) => {
        const values = Float32Array.from(data as Float32Array);
        const upperHalves = () => Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);
        const bits = dtype === 'F16' ? encodeFloat16(values) : upperHalves();
        files[file].set(name, { dtype, shape, data: bits });
        const read = dtype === 'F16' ? decodeFloat16(bits) : decodeBfloat16(bits);
        rounded.set(name, { dtype: 'F32', shape, data: read });
        weightMap[name] = file;
      };
      for (const [index, [name, tensor]] of [...tensors].entries())
        put(index % 2 ? 'a.safetensors' : 'b.safetensors', name, tensor);
      put(
        'a.safetensors',
        'encoder.embed_tokens.weight',
        named(Object.fromEntries(tensors), 'shared.weight'),
      );
      for (const [file, held] of Object.entries(files))
        await writeFile(join(folder, file), encodeSafetensors({ tensors: held, metadata: {} }));
      await writeFile(
        join(folder, 'model.safetensors.index.json'),
        JSON.stringify({ weight_map: weightMap }),
      );
      await writeFile(
        join(folder, 'rounded.safetensors'),
        encodeSafetensors({ tensors: rounded, metadata: {} }),
      );
      const found = await encode(folder, 'model.safetensors.index.json');
      expect(difference(found, await encode(folder, 'rounded.safetensors'))).toBeLessThan(1e-6);
      expect(difference(found, output)).toBeGreaterThan(1e-5);
    },
  );

  it.each([
    [
      { feed_forward_proj: 'relu' },
      'feed_forward_proj: expected gated-gelu (T5 v1.0 has another layer), got "relu"',
    ],
    [
      { feed_forward_proj: undefined },
      'feed_forward_proj: expected gated-gelu (T5 v1.0 has another layer), got nothing',
    ],
    [{ model_type: 'umt5' }, 'model_type: expected t5, got "umt5"'],
    [{ num_layers: 1e9 }, 'num_layers: expected an integer in 1..1000, got 1000000000'],
    [
      { relative_attention_max_distance: 2 },
      'relative_attention_max_distance: expected more than a quarter of relative_attention_num_buckets, got 2',
    ],
  ])('should refuse %j by name', async (changes, text) => {
    const { config: path } = await folderWith({ ...config, ...changes });
    await expect(readT5Config(path)).rejects.toMatchObject({
      code: 'TRIB_MODEL',
      message: expect.stringContaining(`${path} ${text}`),
    });
  });
});

describe('relativePositionBuckets', () => {
  it.each(buckets)('should be those of transformers: $buckets buckets, to $distance', (reference) => {
    const { buckets: numBuckets, distance: maxDistance, of } = reference;
    const tokens = 301;
    const found = relativePositionBuckets(tokens, { numBuckets, maxDistance });
    // The first and the last query see all distances.
    const last = found.subarray((tokens - 1) * tokens);
    expect([...last, ...found.subarray(1, tokens)]).toEqual(of);
  });
});
