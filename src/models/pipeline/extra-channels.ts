/** @file The numbers that stand for what a UNet takes beside its latents: a mask, a picture to change, a map of depths. */

import { SettingError } from '../../errors.js';
import type { PipelineFolder } from './pipeline-folder.js';

/** Kinds of UNets that take so many channels beside the latents. */
const KINDS: ReadonlyMap<number, string> = new Map([
  [1, ', as depth-to-image: a map of depths'],
  [3, ', as an upscaler: a small picture'],
  [4, ', as instruct-pix2pix: the latents of a picture'],
  [5, ', as inpainting: a mask, then the latents of a masked picture'],
]);

/**
 * Returns the numbers that fill the channels, one for each; none for a network that takes latents alone.
 *
 * Errors: TRIB_CONFIG, naming the setting, if there are more or fewer than the network takes.
 */
export function fittingChannels(
  { path, denoiser: { config } }: PipelineFolder,
  numbers: readonly number[] = [],
): readonly number[] {
  const { channels, extraChannels } = config;
  if (numbers.length === extraChannels) return numbers;
  const got = numbers.length === 0 ? 'none' : `${numbers.length}`;
  const [expected, nextStep] =
    extraChannels === 0
      ? [`none, because the UNet of ${path} takes latents alone`, 'Leave it out.']
      : [
          `${extraChannels} numbers, because the UNet of ${path} takes ${channels + extraChannels} channels, ${channels} of latents and ${extraChannels} beside them${KINDS.get(extraChannels) ?? ''}`,
          'Set a constant for each, see "Channels beside the latents" in docs/models.md.',
        ];
  throw new SettingError('model.extraChannels', { expected, got, nextStep });
}
