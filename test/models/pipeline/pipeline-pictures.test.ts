/**
 * @file Pictures of whole pipelines against those of diffusers: guidance of 1 and below, what a pipeline's class corrects,
 * where the last step arrives, negative prompts, and sizes. The fixture is made by tools/reference/pipeline_pictures.py.
 */
import { readFileSync } from 'node:fs';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openPipeline } from '../../../src/models/pipeline/pipeline.js';
import { initialParameters } from '../../../src/models/policy/adapter-parameters.js';
import { drawPictures, furthestFrom } from '../../fixtures/draw-pictures.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const FIXTURES = 'test/fixtures';
const path = `${FIXTURES}/pipeline-pictures.safetensors`;
const { tensors, metadata } = decodeSafetensors(readFileSync(path), path);

interface Case {
  readonly pipeline: string;
  /** Other keys of scheduler_config.json; null takes one out. */
  readonly scheduler: Readonly<Record<string, unknown>>;
  readonly guidanceScale: number;
  readonly eta: number;
  readonly negativePrompt?: string;
  readonly size?: { readonly width: number; readonly height: number };
}
const about = JSON.parse(metadata.about ?? '{}') as {
  readonly prompts: readonly string[];
  readonly numSteps: number;
  readonly seed: number;
  readonly cases: Readonly<Record<string, Case>>;
};
const LORA = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: 2, alpha: 2 };

const engine = sharedEngine();

/** The fixture's folder with other keys of its scheduler. */
async function folderOf({ pipeline, scheduler }: Case): Promise<string> {
  const folder = join(await temporaryFolder(), 'model');
  await cp(`${FIXTURES}/stable-diffusion/${pipeline}`, folder, { recursive: true });
  const config = join(folder, 'scheduler', 'scheduler_config.json');
  const content = { ...JSON.parse(await readFile(config, 'utf8')), ...scheduler };
  const kept = Object.entries(content).filter(([, value]) => value !== null);
  await writeFile(config, JSON.stringify(Object.fromEntries(kept)));
  return folder;
}

it.each(Object.entries(about.cases))('should draw what diffusers draws: %s', async (name, one) => {
  const pipeline = await openPipeline(engine, await folderOf(one), one);
  const { prompts } = about;
  const denoiser = await openDenoiser(engine, pipeline, { lora: LORA, rows: [prompts.length] });
  await denoiser.usePolicy(initialParameters(denoiser.adapters, LORA, 1));
  const { guidanceScale, eta } = one;
  const images = await drawPictures(pipeline, denoiser, { ...about, guidanceScale, eta }, 'training');
  const [, height, width] = await pipeline.imageShape();
  const wanted = tensors.get(name)?.data as Float32Array;
  expect(wanted).toHaveLength(prompts.length * height * width * 3);
  const furthest = furthestFrom(wanted, images, height * width);
  // A tenth of a gray level; single precision on both sides.
  expect(furthest).toBeLessThan(0.1 / 255);
  await denoiser.release();
  await pipeline.release();
});
