/** @file Reads the `preprocessor_config.json` of an exported vision model. */

import * as z from 'zod';
import { readJsonFile } from '../files/json-file.js';
import { CLIP_MEAN, CLIP_STD, type ImageProcessor } from './image-processor.js';

/** Longest side in pixels; models use a few hundred. */
const MOST_PIXELS = 4096;
/** Smallest divisor and largest statistic; beyond them, pixel values leave the range of float32. */
const [LEAST_STD, MOST] = [1e-6, 1000];

const PIXELS = `expected 1 to ${MOST_PIXELS} pixels`;
const side = z.int({ error: PIXELS }).min(1, { error: PIXELS }).max(MOST_PIXELS, { error: PIXELS });
const both = z.object({ height: side, width: side });
const upTo = (least: number) => {
  const error = `expected a number of ${least} to ${MOST}`;
  return z.number({ error }).min(least, { error }).max(MOST, { error });
};
const eachChannel = (value: z.ZodNumber) =>
  z.tuple([value, value, value], { error: 'expected three numbers' });
/** Image processors of transformers that crop by default. */
const CROPPING_CLASSES: readonly string[] = [
  'CLIPFeatureExtractor',
  'CLIPImageProcessor',
  'CLIPImageProcessorFast',
  'CLIPImageProcessorPil',
  'ChineseCLIPFeatureExtractor',
  'ChineseCLIPImageProcessor',
  'ChineseCLIPImageProcessorFast',
  'ChineseCLIPImageProcessorPil',
];
const SIZE = 'expected a number of pixels, { shortest_edge } or { height, width }';
const flag = z.boolean({ error: 'expected true or false' });

/** Pillow's numbers for the filters that vision models use. */
const FILTERS = { 2: 'bilinear', 3: 'bicubic' } as const;

const schema = z.object(
  {
    image_processor_type: z.string({ error: 'expected the name of a class' }).nullish(),
    feature_extractor_type: z.string({ error: 'expected the name of a class' }).nullish(),
    do_resize: flag.default(true),
    size: z.union([side, z.object({ shortest_edge: side }), both], { error: SIZE }).default(224),
    resample: z
      .union([z.literal(2), z.literal(3)], { error: 'expected 2 (bilinear) or 3 (bicubic)' })
      .default(3),
    do_center_crop: flag.optional(),
    crop_size: z
      .union([side, both], { error: 'expected a number of pixels or { height, width }' })
      .default(224),
    do_rescale: flag.default(true),
    rescale_factor: upTo(LEAST_STD).default(1 / 255),
    do_normalize: flag.default(true),
    image_mean: eachChannel(upTo(-MOST)).default([...CLIP_MEAN]),
    image_std: eachChannel(upTo(LEAST_STD)).default([...CLIP_STD]),
  },
  { error: 'expected a mapping' },
);

/**
 * Reads how pictures are prepared. Defaults are those of CLIPImageProcessor, but processors of other models (SigLIP, ViT) do
 * not crop unless the file says so.
 *
 * Errors: TRIB_MODEL if the file is missing, or asks for something that is not supported.
 */
export async function readPreprocessorConfig(path: string): Promise<ImageProcessor> {
  const config = await readJsonFile(path, schema, {
    code: 'TRIB_MODEL',
    nextStep: 'Export the model again, or copy the file from its source.',
  });
  const { size, crop_size: crop } = config;
  const className = config.image_processor_type ?? config.feature_extractor_type ?? 'CLIPImageProcessor';
  const crops = config.do_center_crop ?? CROPPING_CLASSES.includes(className);
  const shortest = typeof size === 'object' && 'shortest_edge' in size ? size.shortest_edge : size;
  return {
    resize: config.do_resize ? shortest : null,
    filter: FILTERS[config.resample],
    crop: crops ? (typeof crop === 'number' ? { height: crop, width: crop } : crop) : null,
    rescale: config.do_rescale ? config.rescale_factor : 1,
    mean: config.do_normalize ? config.image_mean : [0, 0, 0],
    std: config.do_normalize ? config.image_std : [1, 1, 1],
  };
}
