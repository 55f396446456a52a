import { describe, expect, it } from 'vitest';
import { sizedFolder } from '../../../src/models/pipeline/picture-size.js';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { faultOf } from '../../fixtures/fault-of.js';

describe('sizedFolder', () => {
  const path = 'test/fixtures/stable-diffusion/sdxl';

  it('should keep the side that is not asked for', async () => {
    const folder = await readPipelineFolder(path);
    expect(sizedFolder(folder, {}, 'x').denoiser.config.sampleSize).toEqual([8, 8]);
    expect(sizedFolder(folder, { width: 24 }, 'x').denoiser.config.sampleSize).toEqual([8, 12]);
  });

  it('should name the nearest sizes that a model draws', async () => {
    const folder = await readPipelineFolder(path);
    const fault = (size: object) => faultOf(() => sizedFolder(folder, size, 'evaluation'));
    expect(await fault({ width: 16, height: 22 })).toEqual([
      'TRIB_CONFIG',
      `evaluation.height: expected a multiple of 4, as ${path} draws, got 22. Use 20 or 24.`,
    ]);
    expect((await fault({ width: 3 }))[1]).toContain('Use 4.');
  });

  it('should refuse latents that no machine has room for', async () => {
    const folder = await readPipelineFolder(path);
    expect(sizedFolder(folder, { width: 4096, height: 4096 }, 'x').denoiser.config.sampleSize).toEqual([
      2048, 2048,
    ]);
    expect(await faultOf(() => sizedFolder(folder, { width: 4096, height: 4100 }, 'stages.sampler'))).toEqual(
      [
        'TRIB_CONFIG',
        'stages.sampler: expected pictures with latents of at most 16777216 numbers, such as 4096 x 4096, got width 4096 and height 4100. Use smaller ones.',
      ],
    );
  });
});
