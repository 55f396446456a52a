import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { processedSize, processImage } from '../../../src/models/images/image-processor.js';
import { readPreprocessorConfig } from '../../../src/models/images/preprocessor-config.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { pictureOf, REWARD_IMAGES } from '../../fixtures/reward-images.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

async function processorOf(config: unknown) {
  const path = join(await temporaryFolder(), 'preprocessor_config.json');
  await writeFile(path, typeof config === 'string' ? config : JSON.stringify(config));
  return readPreprocessorConfig(path);
}

describe('processImage', () => {
  it.each(REWARD_IMAGES.processor)(
    'should do as CLIPImageProcessor: $height x $width, grain $grain, $config.resample',
    async ({ config, values, ...picture }) => {
      const found = processImage(pictureOf(picture), await processorOf(config));
      const expected = new Float32Array(Uint8Array.from(Buffer.from(values, 'base64')).buffer);
      expect(found).toHaveLength(expected.length);
      // One level of 8 bits is 0.014; only the order of roundings differs.
      const largest = found.reduce((max, value, i) => Math.max(max, Math.abs(value - (expected[i] ?? 9))), 0);
      expect(largest).toBeLessThan(1e-6);
    },
  );

  it('should stretch if both sides are given, and skip what is turned off', async () => {
    const picture = pictureOf({ height: 4, width: 6, grain: true });
    const stretched = await processorOf({ size: { height: 3, width: 5 }, do_center_crop: false });
    expect(processedSize(stretched, picture)).toEqual({ height: 3, width: 5 });
    const off = { do_resize: false, do_center_crop: false, do_rescale: false, do_normalize: false };
    const values = processImage(picture, await processorOf(off));
    expect([...values.slice(0, 3)]).toEqual([picture.data[0], picture.data[3], picture.data[6]]);
  });
});

describe('readPreprocessorConfig', () => {
  it.each([
    ['CLIPImageProcessor', { height: 224, width: 224 }],
    ['ChineseCLIPImageProcessorFast', { height: 224, width: 224 }],
    ['SiglipImageProcessor', null],
    ['ViTImageProcessor', null],
    // Not one that begins or ends like it: only whole names are known.
    ['VisionTextCLIPSegImageProcessor', null],
  ])('should crop what the file leaves open as %s does', async (image_processor_type, crop) => {
    const size = { height: 384, width: 384 };
    expect(await processorOf({ image_processor_type, size })).toMatchObject({ resize: size, crop });
  });

  it('should take what a file leaves out from CLIP', async () => {
    expect(await processorOf({})).toMatchObject({ resize: 224, crop: { height: 224, width: 224 } });
  });

  it.each([
    [
      { size: 'large' },
      'size: expected a number of pixels, { shortest_edge } or { height, width }, got "large"',
    ],
    [{ resample: 7 }, 'resample: expected 2 (bilinear) or 3 (bicubic), got 7'],
    [{ image_mean: [1] }, 'image_mean: expected three numbers, got [1]'],
    ['{', ': expected JSON, got 1 characters that do not parse'],
  ])('should say what is wrong with %j', async (config, words) => {
    const [code, message] = await faultOf(() => processorOf(config));
    expect(code).toBe('TRIB_MODEL');
    expect(message).toContain(words);
  });

  it('should refuse to crop what is not there', async () => {
    const processor = await processorOf({ size: 8, crop_size: 9 });
    expect(await faultOf(() => processedSize(processor, { height: 20, width: 20 }))).toEqual([
      'TRIB_MODEL',
      'image processor: expected pictures of at least 9 x 9 pixels to crop from, got 8 x 8. Resize to the size of the crop.',
    ]);
  });
});

describe('numbers of readPreprocessorConfig', () => {
  it.each([
    [{ image_std: [0.5, 0, 0.5] }, 'image_std.1: expected a number of 0.000001 to 1000, got 0'],
    [{ image_std: [0.5, 0.5, -1] }, 'image_std.2: expected a number of 0.000001 to 1000, got -1'],
    [{ image_mean: [1e308, 0, 0] }, 'image_mean.0: expected a number of -1000 to 1000, got 1e+308'],
    [{ rescale_factor: 0 }, 'rescale_factor: expected a number of 0.000001 to 1000, got 0'],
    [{ crop_size: 1_000_000_000 }, 'crop_size'],
    [{ size: { shortest_edge: 1_000_000_000 } }, 'size'],
  ])('should refuse %j', async (config, message) => {
    const [code, text] = await faultOf(() => processorOf(config));
    expect(code).toBe('TRIB_MODEL');
    expect(text).toContain(`preprocessor_config.json ${message}`);
  });
});
