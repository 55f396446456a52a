import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { openPipeline } from '../../../src/models/pipeline/pipeline.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { randomTensor } from '../../fixtures/run-model.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { TINY_PROMPTS, writeTinyPipeline } from '../../fixtures/tiny-pipeline.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

async function open(options: Parameters<typeof writeTinyPipeline>[1] = {}) {
  const folder = await temporaryFolder();
  await writeTinyPipeline(folder, options);
  return openPipeline(engine, folder);
}

describe('openPipeline', () => {
  it('should know the shapes of latents, pictures and embeddings', async () => {
    const pipeline = await open();
    expect(pipeline).toMatchObject({ latentShape: [3, 16, 16], embedsShape: [12, 16] });
    expect(await pipeline.imageShape()).toEqual([3, 16, 16]);
  });

  it('should embed every prompt its own way, the same one alike', async () => {
    const pipeline = await open();
    const [one = '', two = ''] = TINY_PROMPTS;
    const [first, other, empty] = [
      await pipeline.embedPrompt(one),
      await pipeline.embedPrompt(two),
      await pipeline.embedPrompt(''),
    ];
    expect(first).toHaveLength(12 * 16);
    expect(other).not.toEqual(first);
    expect(empty).not.toEqual(first);
    expect(await pipeline.embedPrompt(one)).toEqual(first);
  });

  it('should clamp pictures where there is no decoder', async () => {
    const pipeline = await open();
    const latents = randomTensor(1, [2, 3, 16, 16], 2).data;
    const images = await pipeline.decode(latents, 2);
    expect(images).toEqual(latents.map((value) => Math.min(1, Math.max(-1, value))));
    expect(Math.max(...latents)).toBeGreaterThan(1);
  });

  it('should divide by the scaling factor and decode where there is one', async () => {
    const pipeline = await open({ vae: true });
    expect(await pipeline.imageShape()).toEqual([3, 32, 32]);
    const latents = randomTensor(1, [2, 3, 16, 16], 0.3).data;
    const images = await pipeline.decode(latents, 2);
    expect(images).toHaveLength(2 * 3 * 32 * 32);
    for (const [row, column] of [
      [0, 0],
      [5, 9],
      [31, 30],
    ] as const) {
      const latent = latents[768 + Math.floor(row / 2) * 16 + Math.floor(column / 2)] ?? Number.NaN;
      expect(images[3 * 1024 + row * 32 + column]).toBeCloseTo(Math.min(1, Math.max(-1, latent / 0.5)), 6);
    }
  });

  it('should say that a text encoder does not belong to the UNet', async () => {
    const folder = await temporaryFolder();
    await writeTinyPipeline(folder);
    const config = { sample_size: 16, in_channels: 3, out_channels: 3, cross_attention_dim: 24 };
    await writeFile(join(folder, 'unet', 'config.json'), JSON.stringify(config));
    const pipeline = await openPipeline(engine, folder);
    expect(await faultOf(() => pipeline.embedPrompt(''))).toEqual([
      'TRIB_MODEL',
      `${join(folder, 'text_encoder', 'model.onnx')} output "last_hidden_state": expected [1, 12, 24], got [1, 12, 16]. Use the text encoder that belongs to the denoiser.`,
    ]);
  });
});
