/** @file Networks beside those of Stable Diffusion, compared with diffusers: tools/reference/network_variants.py. */

import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../src/models/engines/compile-graph.js';
import { openComponentWeights } from '../../../src/models/networks/component-weights.js';
import { UNET } from '../../../src/models/networks/denoiser-family.js';
import { readLatentDecoder } from '../../../src/models/networks/latent-decoder.js';
import {
  type Network,
  networkGraph,
  readNetworkWeights,
} from '../../../src/models/networks/network-weights.js';
import { float32, float32Data, type Tensor } from '../../../src/models/tensor.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { formulaNumbers, formulaWeights } from '../../fixtures/formula-numbers.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

interface Variant {
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: Readonly<Record<string, readonly number[]>>;
  readonly output: readonly number[];
  readonly shape: readonly number[];
}
const { unets, decoders } = JSON.parse(readFileSync('test/fixtures/network-variants.json', 'utf8')) as {
  readonly unets: Readonly<Record<string, Variant>>;
  readonly decoders: Readonly<Record<string, Variant>>;
};

const made = (shape: readonly number[], seed: number, scale: number) =>
  float32(
    formulaNumbers(
      shape.reduce((a, b) => a * b),
      seed,
      scale,
    ),
    shape,
  );

async function configFile(config: object): Promise<string> {
  const path = join(await temporaryFolder(), 'config.json');
  await writeFile(path, JSON.stringify(config));
  return path;
}

/** Largest difference from what diffusers computes, relative to its largest number. */
async function difference(
  { weights: shapes, output }: Variant,
  network: Network,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<number> {
  const path = join(await temporaryFolder(), 'model.safetensors');
  await writeFile(path, formulaWeights(shapes));
  const weights = await openComponentWeights(path);
  const graph = networkGraph(network, await readNetworkWeights(network, weights, null));
  await weights.close();
  const executable = await compileGraph(sharedEngine(), graph, { label: 'variant' });
  const [found] = Object.values(await executable.run(feeds));
  const values = float32Data(found, 'output');
  expect(values).toHaveLength(output.length);
  const largest = Math.max(...output.map(Math.abs));
  return Math.max(...output.map((value, i) => Math.abs(value - (values[i] ?? Number.NaN)))) / largest;
}

describe('a UNet', () => {
  it.each(Object.entries(unets))('should compute what diffusers does: %s', async (_, variant) => {
    const { network } = await UNET.readDefinition(await configFile(variant.config));
    const feeds = {
      sample: made([2, 4, 8, 8], 1001, 4),
      timestep: float32([981, 21], [2]),
      encoder_hidden_states: made([2, 3, 12], 1002, 4),
    };
    const built = network({ rows: 2, sampleSize: [8, 8], tokens: 3 });
    expect(await difference(variant, built, feeds)).toBeLessThan(1e-5);
  });

  const nested = unets['transformers of their own for each layer']?.config;
  it.each([
    [
      { reverse_transformer_layers_per_block: null },
      'reverse_transformer_layers_per_block: expected the way up of lists in transformer_layers_per_block, got null',
    ],
    [
      { transformer_layers_per_block: [1, [2, 1, 1], [1, 2]] },
      'transformer_layers_per_block: expected 2 entries as the block has residual blocks, got 3',
    ],
    [
      { reverse_transformer_layers_per_block: [[1, 2, 1], 1] },
      'reverse_transformer_layers_per_block: expected 3 entries as in block_out_channels, got 2',
    ],
    [
      { cross_attention_dim: [12, 12, 16] },
      'cross_attention_dim: expected one width (blocks that see other prompts are not built), got [12,12,16]',
    ],
    [
      { mid_block_type: 'UNetMidBlock2DSimpleCrossAttn' },
      'mid_block_type: expected UNetMidBlock2DCrossAttn or UNetMidBlock2D, got "UNetMidBlock2DSimpleCrossAttn"',
    ],
    [
      { resnet_time_scale_shift: 'ada_group' },
      'resnet_time_scale_shift: expected default or scale_shift, got "ada_group"',
    ],
  ])('should refuse %j by name', async (keys, text) => {
    const path = await configFile({ ...nested, ...keys });
    const [code, message] = await faultOf(() => UNET.readDefinition(path));
    expect([code, message]).toEqual(['TRIB_MODEL', expect.stringContaining(`${path} ${text}`)]);
  });
});

describe('an AutoencoderTiny', () => {
  it.each(Object.entries(decoders))('should decode what diffusers decodes: %s', async (_, variant) => {
    const decoder = await readLatentDecoder(await configFile(variant.config));
    const latents = made([1, 4, 3, 2], 1001, 12);
    const scaled = {
      latent_sample: float32(
        latents.data.map((x) => x / decoder.scalingFactor),
        [1, 4, 3, 2],
      ),
    };
    expect(await difference(variant, decoder.network([1, 4, 3, 2]), scaled)).toBeLessThan(1e-5);
    expect(variant.shape.slice(2)).toEqual([3 * decoder.upscaling, 2 * decoder.upscaling]);
  });

  it.each([
    [{ decoder_block_out_channels: [8, 8, 8, 16] }, 'decoder_block_out_channels: expected 4 equal numbers'],
    [{ act_fn: 'mish' }, 'act_fn: expected one of relu, silu, swish, gelu, got "mish"'],
    [{ _class_name: 'AsymmetricAutoencoderKL' }, '_class_name: expected AutoencoderKL or AutoencoderTiny'],
  ])('should refuse %j by name', async (keys, text) => {
    const path = await configFile({ ...decoders.TAESD?.config, ...keys });
    const [code, message] = await faultOf(() => readLatentDecoder(path));
    expect([code, message]).toEqual(['TRIB_MODEL', expect.stringContaining(`${path} ${text}`)]);
  });
});
