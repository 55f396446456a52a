/** @file The size of pictures: the model's own, or another one that its network can draw. */

import { SettingError } from '../../errors.js';
import { MOST_LATENT } from '../networks/denoiser-family.js';
import type { PipelineFolder } from './pipeline-folder.js';

/** In pixels; a side that is absent is the model's own. */
export interface PictureSize {
  readonly width?: number | undefined;
  readonly height?: number | undefined;
}

/** Both sides, in pixels. */
export interface GivenSize {
  readonly width: number;
  readonly height: number;
}

/** Height and width of the pictures that a folder's model draws by itself. */
export const ownSize = ({ denoiser, vaeDecoder }: PipelineFolder): readonly [number, number] => {
  const [height, width] = denoiser.config.sampleSize;
  const scale = vaeDecoder?.config.upscaling ?? 1;
  return [height * scale, width * scale];
};

/**
 * Returns the folder with latents for pictures of another size. Each side is a multiple of the decoder's factor, times what
 * a UNet that is built here halves its latents by, or the patch of a transformer.
 *
 * Departure: diffusers asks for multiples of the decoder's factor alone, and cuts what its UNet upsamples too far.
 *
 * Errors: TRIB_CONFIG, naming the setting and the nearest sizes that fit, for sides that are no such multiple or have more
 * positions than a transformer knows; for latents of more than 2^24 numbers.
 * @param place the settings `width` and `height` are of, for errors.
 */
export function sizedFolder(folder: PipelineFolder, size: PictureSize, place: string): PipelineFolder {
  const { denoiser, vaeDecoder } = folder;
  const scale = vaeDecoder?.config.upscaling ?? 1;
  const multiple = scale * (denoiser.config.latentMultiple ?? 1);
  const most = scale * (denoiser.config.latentMost ?? Number.POSITIVE_INFINITY);
  const [ownHeight, ownWidth] = ownSize(folder);
  const latentSide = (name: 'width' | 'height', own: number): number => {
    const { [name]: asked } = size;
    if (asked === undefined) return own / scale;
    if (asked > most) {
      const expected = `at most ${most}, for which ${folder.path} has positions`;
      throw new SettingError(`${place}.${name}`, {
        expected,
        got: `${asked}`,
        nextStep: 'Use smaller ones.',
      });
    }
    if (asked % multiple === 0) return asked / scale;
    const below = Math.floor(asked / multiple) * multiple;
    const fitting = [below, below + multiple].filter((side) => side > 0).join(' or ');
    const expected = `a multiple of ${multiple}, as ${folder.path} draws`;
    throw new SettingError(`${place}.${name}`, { expected, got: `${asked}`, nextStep: `Use ${fitting}.` });
  };
  const sampleSize = [latentSide('height', ownHeight), latentSide('width', ownWidth)] as const;
  const [rows, columns] = sampleSize;
  const { channels } = denoiser.config;
  if (channels * rows * columns > MOST_LATENT) {
    const most = Math.floor(Math.sqrt(MOST_LATENT / channels)) * scale;
    const expected = `pictures with latents of at most ${MOST_LATENT} numbers, such as ${most} x ${most}`;
    const got = `width ${columns * scale} and height ${rows * scale}`;
    throw new SettingError(place, { expected, got, nextStep: 'Use smaller ones.' });
  }
  return { ...folder, denoiser: { ...denoiser, config: { ...denoiser.config, sampleSize } } };
}
