/**
 * @file Pictures of one-file checkpoints against those of diffusers' `from_single_file`. The fixtures are made by
 * tools/reference/one_file_checkpoints.py.
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openPipeline } from '../../../src/models/pipeline/pipeline.js';
import { initialParameters } from '../../../src/models/policy/adapter-parameters.js';
import { CHECKPOINTS, type CheckpointName, checkpointFile } from '../../fixtures/checkpoint-files.js';
import { drawPictures, furthestFrom } from '../../fixtures/draw-pictures.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';

const path = `${CHECKPOINTS}/pictures.safetensors`;
const { tensors, metadata } = decodeSafetensors(readFileSync(path), path);
const about = JSON.parse(metadata.about ?? '{}') as {
  readonly prompts: readonly string[];
  readonly numSteps: number;
  readonly seed: number;
  readonly cases: Readonly<Record<string, { checkpoint: CheckpointName; prediction: string }>>;
};
const LORA = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: 2, alpha: 2 };

const engine = sharedEngine();

it.each(Object.entries(about.cases))('should draw what diffusers draws: %s', async (name, one) => {
  const checkpoint = await checkpointFile(one.checkpoint);
  if (name === 'sd2 epsilon')
    await writeFile(
      checkpoint.replace('.safetensors', '.yaml'),
      'model: { params: { parameterization: eps } }',
    );
  const pipeline = await openPipeline(engine, checkpoint);
  const { prompts } = about;
  const denoiser = await openDenoiser(engine, pipeline, { lora: LORA, rows: [prompts.length] });
  await denoiser.usePolicy(initialParameters(denoiser.adapters, LORA, 1));
  const images = await drawPictures(pipeline, denoiser, { ...about, guidanceScale: 3 }, 'training');
  const [, height, width] = await pipeline.imageShape();
  const wanted = tensors.get(name)?.data as Float32Array;
  expect(wanted).toHaveLength(prompts.length * height * width * 3);
  const furthest = furthestFrom(wanted, images, height * width);
  // A tenth of a gray level; single precision on both sides.
  expect(furthest).toBeLessThan(0.1 / 255);
  await denoiser.release();
  await pipeline.release();
});
