/** @file The sizes of the shapes model's networks, and its noise schedule. */

import type { SchedulerConfig } from '../../diffusion/scheduler-config.js';
import { PICTURE_SIZE } from '../pictures/scene.js';
import type { SmallUnetConfig } from './small-unet.js';
import type { TextEncoderConfig } from './text-encoder.js';

export const IMAGE_CHANNELS = 3;
export const IMAGE_SHAPE = [IMAGE_CHANNELS, PICTURE_SIZE, PICTURE_SIZE] as const;

/** Two thirds of a million parameters: attention at 8x8. */
export const SMALL_UNET: SmallUnetConfig = {
  channels: IMAGE_CHANNELS,
  levels: [
    { channels: 24, attends: false },
    { channels: 64, attends: true },
  ],
  attentionHeadSize: 16,
  normNumGroups: 8,
  timeEmbedSize: 128,
  feedForwardMultiple: 2,
};

export const TEXT_HIDDEN_SIZE = 64;

export const textEncoderConfig = (tokenizer: {
  readonly vocabSize: number;
  readonly modelMaxLength: number;
}): TextEncoderConfig => ({
  vocabSize: tokenizer.vocabSize,
  maxPositionEmbeddings: tokenizer.modelMaxLength,
  hiddenSize: TEXT_HIDDEN_SIZE,
  numHiddenLayers: 2,
  attentionHeadSize: 16,
});

/** Stable Diffusion's schedule. */
export const SCHEDULER: SchedulerConfig = {
  numTrainTimesteps: 1000,
  betaStart: 0.000_85,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
  predictionType: 'epsilon',
  timestepSpacing: 'leading',
  stepsOffset: 1,
  setAlphaToOne: false,
};
