/** @file The transformer of SD 3, compared with diffusers: tools/reference/sd3_transformer.py. */

import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../src/models/engines/compile-graph.js';
import { encodeSafetensors } from '../../../src/models/files/safetensors.js';
import { fuseForInference } from '../../../src/models/graph/passes/fuse.js';
import { openComponentWeights } from '../../../src/models/networks/component-weights.js';
import { SD3 } from '../../../src/models/networks/denoiser-family.js';
import { networkGraph, readNetworkWeights } from '../../../src/models/networks/network-weights.js';
import { encodeFloat16 } from '../../../src/models/numeric/float16.js';
import { float32, float32Data } from '../../../src/models/tensor.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { formulaNumbers, formulaWeights } from '../../fixtures/formula-numbers.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

interface Variant {
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: Readonly<Record<string, readonly number[]>>;
  readonly output: readonly number[];
}
const { timesteps, variants } = JSON.parse(readFileSync('test/fixtures/sd3-transformer.json', 'utf8')) as {
  readonly timesteps: readonly number[];
  readonly variants: Readonly<Record<string, Variant>>;
};
const [named] = Object.values(variants).slice(-1) as [Variant];

const SIZES = { rows: 2, sampleSize: [8, 4], tokens: 5 } as const;

async function configFile(config: object): Promise<string> {
  const path = join(await temporaryFolder(), 'config.json');
  await writeFile(path, JSON.stringify(config));
  return path;
}

/** Its graph, over weights in a file of these bytes. */
async function graphOf({ config }: Variant, bytes: Uint8Array) {
  const { network } = await SD3.readDefinition(await configFile(config));
  const path = join(await temporaryFolder(), 'model.safetensors');
  await writeFile(path, bytes);
  const weights = await openComponentWeights(path);
  try {
    const built = network(SIZES);
    return networkGraph(built, await readNetworkWeights(built, weights, null));
  } finally {
    await weights.close();
  }
}

const made = (shape: readonly number[], seed: number) => {
  const count = shape.reduce((a, b) => a * b);
  return float32(formulaNumbers(count, seed, 4), shape);
};

describe('the transformer of SD 3', () => {
  it.each(Object.entries(variants))('should compute what diffusers does: %s', async (_, variant) => {
    const graph = await graphOf(variant, formulaWeights(variant.weights));
    const fused = fuseForInference(graph);
    // Both attentions of a block are in the form that runtimes have a kernel for.
    expect(fused.nodes.filter(({ op }) => op === 'MultiHeadAttention').length).toBeGreaterThan(1);
    expect(fused.nodes.filter(({ op }) => op === 'Softmax')).toEqual([]);
    for (const form of [graph, fused]) {
      const executable = await compileGraph(sharedEngine(), form, { label: 'SD 3' });
      const size = variant.output.length / timesteps.length;
      for (const [index, timestep] of timesteps.entries()) {
        const { out_sample: output } = await executable.run({
          sample: made([2, 6, 8, 4], 1001),
          timestep: float32([timestep, timestep], [2]),
          encoder_hidden_states: made([2, 5, 20], 1002),
          pooled_projections: made([2, 12], 1003),
        });
        const found = float32Data(output, 'out_sample');
        const wanted = variant.output.slice(index * size, (index + 1) * size);
        expect(found).toHaveLength(size);
        const errors = wanted.map((value, i) => Math.abs(value - (found[i] ?? Number.NaN)));
        const largest = Math.max(...wanted.map(Math.abs));
        expect(Math.max(...errors) / largest, `${timestep}`).toBeLessThan(1e-5);
      }
      await executable.release();
    }
  });

  it('should read the middle of the table of positions alone, in half precision too', async () => {
    const { weights: shapes } = named;
    const [name, side] = ['pos_embed.pos_embed', 7];
    const width = shapes[name]?.[2] ?? 0;
    const numbers = Float32Array.from({ length: side * side * width }, (_, i) => Math.floor(i / width));
    const tensors = new Map(
      Object.entries(shapes).map(([key, shape]) => {
        const count = shape.reduce((a, b) => a * b, 1);
        const data = encodeFloat16(key === name ? numbers : new Float32Array(count));
        return [key, { dtype: 'F16', shape, data }] as const;
      }),
    );
    const { initializers } = await graphOf(named, encodeSafetensors({ tensors, metadata: {} }));
    const cropped = float32Data(initializers.get(name), name);
    const places = [1, 2, 3, 4].flatMap((row) => [2, 3].map((column) => row * side + column));
    expect(cropped.filter((_, i) => i % width === 0)).toEqual(Float32Array.from(places));
  });

  it.each([
    [{ qk_norm: 'layer_norm' }, 'qk_norm: expected rms_norm, got "layer_norm"'],
    [{ out_channels: 3 }, 'out_channels: expected 6 as in in_channels, got 3'],
    [
      { caption_projection_dim: 20 },
      'caption_projection_dim: expected num_attention_heads · attention_head_dim = 16, got 20',
    ],
    [{ sample_size: 9 }, 'sample_size: expected a multiple of patch_size 2, got 9'],
    [{ sample_size: 16 }, 'sample_size: expected at most 14, as pos_embed_max_size 7 has positions, got 16'],
    [{ dual_attention_layers: [3] }, 'dual_attention_layers: expected numbers of the 3 blocks, got [3]'],
    [{ pos_embed_max_size: null }, 'pos_embed_max_size: expected an integer in 1..4096, got null'],
    [
      { guidance_embeds: true },
      'guidance_embeds: expected no such key (other variants are not built), got true',
    ],
    [{ _class_name: 'FluxTransformer2DModel' }, '_class_name: expected SD3Transformer2DModel'],
  ])('should refuse %j by name', async (keys, text) => {
    const path = await configFile({ ...named.config, ...keys });
    const [code, message] = await faultOf(() => SD3.readDefinition(path));
    expect([code, message]).toEqual(['TRIB_MODEL', expect.stringContaining(`${path} ${text}`)]);
  });

  it('should refuse weights of another depth, and name them', async () => {
    const shapes = Object.entries(named.weights).filter(([name]) => !name.includes('blocks.2.'));
    const [code, message] = await faultOf(() => graphOf(named, formulaWeights(Object.fromEntries(shapes))));
    expect(code).toBe('TRIB_MODEL');
    expect(message).toContain('"transformer_blocks.2.norm1.linear.weight" [144, 16] is missing');
  });
});
