/**
 * @file Two adapters at once, one of them with layers of text encoders, against pictures of diffusers' `set_adapters`
 * (tools/reference/several_adapters.py); and how the command line reads them.
 */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { adapterPlace } from '../../../src/cli/input/options.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { writeMergedPipeline } from '../../../src/models/pipeline/merged-pipeline.js';
import { openPipeline, type Pipeline } from '../../../src/models/pipeline/pipeline.js';
import { policyParameters } from '../../../src/models/policy/policy-file.js';
import {
  type AdapterChoice,
  loraFor,
  NO_ADAPTERS,
  type ReadAdapters,
  readAdapters,
  readChanges,
} from '../../../src/streams/directory/read-adapter.js';
import { type Drawing, drawPictures, furthestLevels, grayLevels } from '../../fixtures/draw-pictures.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const FIXTURES = 'test/fixtures/several-adapters';
const MOST_GRAY_LEVELS = 2;

interface About extends Drawing {
  readonly strengths: readonly number[];
}

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

function picturesOf(name: string) {
  const path = `${FIXTURES}/${name}-pictures.safetensors`;
  const { tensors, metadata } = decodeSafetensors(readFileSync(path), path);
  return {
    about: JSON.parse(metadata.about ?? '') as About,
    drawn: (key: string) => tensors.get(key)?.data as Uint8Array,
  };
}

const choiceOf = (name: string, strengths: readonly number[], ignoresTextEncoder = false): AdapterChoice => ({
  places: strengths.map((strength, index) => ({
    path: `${FIXTURES}/${name}-${index}.safetensors`,
    strength,
  })),
  ignoresTextEncoder,
});

async function draw(pipeline: Pipeline, adapters: ReadAdapters, about: About): Promise<Uint8Array> {
  const { policy, where } = adapters;
  const lora = policy ? loraFor(policy) : { pattern: 'attn1/to_q', rank: 1, alpha: 1 };
  const denoiser = await openDenoiser(engine, pipeline, { lora, rows: [4] });
  if (policy) await denoiser.usePolicy(policyParameters(policy, denoiser, where));
  else
    await denoiser.usePolicy(
      Object.fromEntries(
        denoiser.adapters.flatMap(({ inputA, inputB, inFeatures, outFeatures }) => [
          [inputA, new Float32Array(inFeatures)],
          [inputB, new Float32Array(outFeatures)],
        ]),
      ),
    );
  const images = await drawPictures(pipeline, denoiser, about, 'evaluation');
  const [, height, width] = await pipeline.imageShape();
  await denoiser.release();
  return grayLevels(images, height, width);
}

describe.each(['sd1', 'sdxl'])('two adapters on %s', (name) => {
  const base = `test/fixtures/stable-diffusion/${name}`;
  const { about, drawn } = picturesOf(name);

  it.each([
    ['both', false],
    ['without text', true],
  ])('should draw what diffusers draws with the same strengths: %s', async (key, ignores) => {
    const adapters = await readAdapters(choiceOf(name, about.strengths, ignores));
    const pipeline = await openPipeline(engine, base, adapters);
    expect(furthestLevels(await draw(pipeline, adapters, about), drawn(key))).toBeLessThanOrEqual(
      MOST_GRAY_LEVELS,
    );
    expect(furthestLevels(drawn('plain'), drawn(key))).toBeGreaterThan(20);
    expect(furthestLevels(drawn('both'), drawn('without text'))).toBeGreaterThan(10);
    expect(adapters.warnings).toEqual(
      ignores ? [expect.stringContaining(`${name}-1.safetensors: left out `)] : [],
    );
  });

  it('should draw the same from a folder that they were merged into', async () => {
    const out = join(await temporaryFolder(), 'merged');
    await writeMergedPipeline(base, await readChanges(choiceOf(name, about.strengths), () => {}), out);
    const pipeline = await openPipeline(engine, out);
    const found = await draw(pipeline, await readAdapters(NO_ADAPTERS), about);
    expect(furthestLevels(found, drawn('both'))).toBeLessThanOrEqual(MOST_GRAY_LEVELS);
  });
});

describe('readAdapters', () => {
  it('should refuse an adapter for two text encoders on a pipeline with one', async () => {
    const { changes } = await readAdapters(choiceOf('sdxl', [1, 1]));
    expect(
      await faultOf(() => openPipeline(engine, 'test/fixtures/stable-diffusion/sd1', { changes })),
    ).toEqual([
      'TRIB_LORA',
      expect.stringContaining(
        'expected a pipeline with the component text_encoder_2, of which the adapter has',
      ),
    ]);
  });

  it('should refuse adapters of different bases, naming the layer and its sizes', async () => {
    const places = ['sd1-0', 'sdxl-0'].map((file) => ({
      path: `${FIXTURES}/${file}.safetensors`,
      strength: 1,
    }));
    const [code, message] = await faultOf(() => readAdapters({ places, ignoresTextEncoder: false }));
    expect(code).toBe('TRIB_LORA');
    expect(message).toMatch(/unet\.\S+: expected the same size in all adapters, got \d+ x \d+ and \d+ x \d+/);
  });
});

describe('adapterPlace', () => {
  it.each([
    ['a.safetensors', 'a.safetensors', 1],
    ['a.safetensors:0.8', 'a.safetensors', 0.8],
    ['a.safetensors:-.5', 'a.safetensors', -0.5],
    ['C:\\models\\a.safetensors', 'C:\\models\\a.safetensors', 1],
    ['C:\\models\\a.safetensors:2', 'C:\\models\\a.safetensors', 2],
    ['runs/a:b:1.5', 'runs/a:b', 1.5],
    ['a.safetensors:strong', 'a.safetensors:strong', 1],
  ])('should read %s', (text, path, strength) => {
    expect(adapterPlace(text)).toEqual({ path, strength });
  });

  it('should take a path that exists as it is', async () => {
    const path = join(await temporaryFolder(), 'adapter:0.5');
    await mkdir(path);
    expect(adapterPlace(path)).toEqual({ path, strength: 1 });
  });
});
