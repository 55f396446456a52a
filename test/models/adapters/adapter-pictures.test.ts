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
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openPipeline, type Pipeline } from '../../../src/models/pipeline/pipeline.js';
import { adapterParameters, decodeAdapter } from '../../../src/models/policy/adapter-parameters.js';
import { type Drawing, drawPictures, furthestLevels, grayLevels } from '../../fixtures/draw-pictures.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';

const FIXTURES = 'test/fixtures/adapter-pictures';
const MOST_GRAY_LEVELS = 2;
const STYLES = LORA_FORMATS.flatMap((format) => LORA_DTYPES.map((dtype) => ({ format, dtype })));

interface About extends Drawing {
  /** Of the file that diffusers loaded, by style and type. */
  readonly sha256: Readonly<Record<string, string>>;
}

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
      const images = await drawPictures(pipeline, denoiser, about, 'evaluation');
      const [, height, width] = await pipeline.imageShape();
      const drawn = grayLevels(images, height, width);
      expect(furthestLevels(drawn, drawnByDiffusers(key))).toBeLessThanOrEqual(MOST_GRAY_LEVELS);
      expect(furthestLevels(drawnByDiffusers('plain'), drawnByDiffusers(key))).toBeGreaterThan(20);
      await denoiser.release();
    },
  );
});
