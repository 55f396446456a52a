/**
 * @file Pictures drawn with an exported adapter, compared with those that diffusers drew with the same file. The fixtures are
 * made by tools/reference/adapter_pictures.py, which also compares the pictures of the command line.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  decodeLoraFile,
  encodeLoraFile,
  LORA_DTYPES,
  LORA_FORMATS,
} from '../../../src/models/adapters/lora-file.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { decodeSafetensors, type Safetensors } from '../../../src/models/files/safetensors.js';
import { toRgb8 } from '../../../src/models/images/picture.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openPipeline, type Pipeline } from '../../../src/models/pipeline/pipeline.js';
import { adapterParameters, decodeAdapter } from '../../../src/models/policy/adapter-parameters.js';
import { createSampler } from '../../../src/models/rollouts/sampler.js';
import { TINY_SAMPLER } from '../../fixtures/open-tiny.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';

const FIXTURES = 'test/fixtures/adapter-pictures';
const MOST_GREY_LEVELS = 2;
const STYLES = LORA_FORMATS.flatMap((format) => LORA_DTYPES.map((dtype) => ({ format, dtype })));

interface About {
  readonly prompts: readonly string[];
  readonly guidanceScale: number;
  readonly numSteps: number;
  readonly seed: number;
  /** Of the file that diffusers loaded, by style and type. */
  readonly sha256: Readonly<Record<string, string>>;
}

const levels = (one: Uint8Array, other: Uint8Array) =>
  one.length === other.length
    ? one.reduce((most, value, i) => Math.max(most, Math.abs(value - (other[i] ?? Number.NaN))), 0)
    : Number.NaN;

describe.each(['sd1', 'sdxl'])('an exported adapter on %s', (name) => {
  let engine: Engine;
  let pipeline: Pipeline;
  let pictures: Safetensors;
  let about: About;
  const source = `${FIXTURES}/${name}.safetensors`;
  const drawnByDiffusers = (key: string) => pictures.tensors.get(key)?.data as Uint8Array;

  beforeAll(async () => {
    const path = `${FIXTURES}/${name}-pictures.safetensors`;
    pictures = decodeSafetensors(readFileSync(path), path);
    about = JSON.parse(pictures.metadata.about ?? '{}');
    engine = sharedEngine();
    pipeline = await openPipeline(engine, `test/fixtures/stable-diffusion/${name}`);
  });

  it.each(STYLES)(
    'should draw the pictures that diffusers draws: $format $dtype',
    async ({ format, dtype }) => {
      const key = `${format}-${dtype}`;
      const layers = decodeLoraFile(readFileSync(source), source);
      const file = encodeLoraFile(layers, { format, dtype, title: name });
      expect(createHash('sha256').update(file).digest('hex')).toBe(about.sha256[key]);

      const adapter = decodeAdapter(file, key);
      const { rank, alpha, layers: adapted } = adapter;
      const denoiser = await openDenoiser(engine, pipeline, {
        lora: { pattern: '', rank, alpha, layers: adapted },
        rows: [4],
      });
      await denoiser.usePolicy(adapterParameters(adapter, denoiser.adapters, key));
      const sampler = createSampler(pipeline, denoiser, {
        ...TINY_SAMPLER,
        seed: about.seed,
        noiseFor: 'evaluation',
        numInferenceSteps: about.numSteps,
        guidanceScale: about.guidanceScale,
        forkPlan: 'independent',
        numBranches: 1,
        groupsPerBatch: 2,
      });
      const groups = await sampler.rollout(
        about.prompts.map((prompt, groupIndex) => ({ groupIndex, prompt })),
        [],
      );
      const [, height, width] = await pipeline.imageShape();
      const drawn = groups.flatMap(({ branches }) => [
        ...toRgb8(branches[0]?.image ?? new Float32Array(), height, width).data,
      ]);
      expect(levels(Uint8Array.from(drawn), drawnByDiffusers(key))).toBeLessThanOrEqual(MOST_GREY_LEVELS);
      expect(levels(drawnByDiffusers('plain'), drawnByDiffusers(key))).toBeGreaterThan(20);
      await denoiser.release();
    },
  );
});
