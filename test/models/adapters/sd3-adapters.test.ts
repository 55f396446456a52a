/**
 * @file Adapters of SD 3.5 as diffusers and PEFT save them, read and drawn with; and the file that is written here, with
 * which diffusers drew the pictures. The fixtures are made by tools/reference/sd3_adapters.py.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeLoraFile, encodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openPipeline } from '../../../src/models/pipeline/pipeline.js';
import { adapterParameters, fileAdapter } from '../../../src/models/policy/adapter-parameters.js';
import { drawPictures, furthestFrom } from '../../fixtures/draw-pictures.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { SD3_ABOUT, writeSd3Folder } from '../../fixtures/sd3-folder.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const FOLDER = 'test/fixtures/sd3-adapters';
const OF_DIFFUSERS = `${FOLDER}/diffusers.safetensors`;
const OF_PEFT = `${FOLDER}/peft/adapter_model.safetensors`;
const { tensors, metadata } = decodeSafetensors(readFileSync(`${FOLDER}/pictures.safetensors`), FOLDER);
const about = JSON.parse(metadata.about ?? '{}') as { readonly sha256: string; readonly layers: number };
const drawnByDiffusers = (name: string) => tensors.get(name)?.data as Float32Array;

it('should read the same layers from diffusers and from PEFT, and write what diffusers loads', () => {
  const layers = decodeLoraFile(readFileSync(OF_DIFFUSERS), OF_DIFFUSERS);
  expect(layers).toHaveLength(about.layers);
  const path = `${FOLDER}/peft/adapter_config.json`;
  const peftConfig = { path, text: readFileSync(path, 'utf8') };
  expect(decodeLoraFile(readFileSync(OF_PEFT), OF_PEFT, { peftConfig })).toEqual(layers);
  const written = encodeLoraFile(layers, { format: 'peft', dtype: 'fp32' });
  expect(createHash('sha256').update(written).digest('hex')).toBe(about.sha256);
});

it('should have no name in the style of kohya', async () => {
  const layers = decodeLoraFile(readFileSync(OF_DIFFUSERS), OF_DIFFUSERS);
  const [code, text] = await faultOf(async () => encodeLoraFile(layers, { format: 'kohya', dtype: 'fp32' }));
  expect([code, text]).toEqual(['TRIB_LORA', expect.stringContaining('Write it in the format peft.')]);
});

it('should draw what diffusers draws with it', async () => {
  const engine = sharedEngine();
  const pipeline = await openPipeline(engine, await writeSd3Folder(join(await temporaryFolder(), 'sd3')));
  const adapter = fileAdapter(decodeLoraFile(readFileSync(OF_DIFFUSERS), OF_DIFFUSERS));
  const { rank, alpha, layers } = adapter;
  const lora = { pattern: '', rank, alpha, layers };
  const denoiser = await openDenoiser(engine, pipeline, { lora, rows: [4] });
  await denoiser.usePolicy(adapterParameters(adapter, denoiser.adapters, OF_DIFFUSERS));
  const images = await drawPictures(pipeline, denoiser, { ...SD3_ABOUT, eta: 0 }, 'training');
  expect(furthestFrom(drawnByDiffusers('adapted'), images, 16 * 16)).toBeLessThan(2 / 255);
  expect(furthestFrom(drawnByDiffusers('plain'), images, 16 * 16)).toBeGreaterThan(20 / 255);
  await denoiser.release();
  await pipeline.release();
});
