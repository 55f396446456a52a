/** @file The config of the pretraining of the shapes model and its reward model. */

import type { z } from 'zod';
import { filePath, integer, number, section } from '../../../fields.js';

const fit = {
  numSteps: integer(1).describe('Optimizer steps.'),
  batchSize: integer(1).describe('Pictures per step.'),
  learningRate: number({ from: '(0', to: 'Infinity)' }).describe(
    'Peak of the learning rate, after the warm-up.',
  ),
  warmupSteps: integer(1).default(100).describe('Steps over which the learning rate grows from zero.'),
  weightDecay: number({ from: '[0', to: 'Infinity)' })
    .default(0.01)
    .describe('Decoupled weight decay (AdamW).'),
  maxGradNorm: number({ from: '(0', to: 'Infinity)' })
    .default(1)
    .describe('Gradients with a larger L2 norm are scaled down to it.'),
  averageDecay: number({ from: '[0', to: '1)' })
    .default(0.999)
    .describe('Decay of the average of the weights that is exported.'),
};

const share = (what: string) => number({ from: '[0', to: '1]' }).describe(what);

const template = section({
  weight: number({ from: '(0', to: 'Infinity)' })
    .default(1)
    .describe('How often its prompts are drawn, relative to those of the other templates.'),
  captionCorruption: share('Share of wrong captions, in place of the one for all templates.').optional(),
})
  .prefault({})
  .describe('Prompts of one template.');

export const pretrainingSchema = section({
  pipeline: filePath('the path of a folder', 'made').describe('Folder that the model is written to.'),
  seed: integer(0).describe('Seed of weights, pictures, captions and noise.'),
  denoiser: section({
    ...fit,
    captionCorruption: share(
      'Share of captions that are deliberately wrong; more of them align the model less.',
    ),
    captionDropout: share('Share of captions that are empty, for classifier-free guidance.'),
    templates: section({ binding: template, counting: template, relation: template })
      .prefault({})
      .describe('What differs between the templates of prompts.'),
  }),
  reward: section({
    ...fit,
    batchSize: integer(2)
      .multipleOf(2, { error: 'an even integer >= 2' })
      .describe('Pictures per step; even, as every prompt is drawn twice.'),
    candidates: integer(2).describe('Prompts that each picture is compared with.'),
    imageNoise: number({ from: '[0', to: 'Infinity)' }).describe(
      'Largest standard deviation of the noise on pictures.',
    ),
    blended: share('Share of pictures that are two scenes blended, which fit no prompt.'),
    instanceWeight: number({ from: '[0', to: 'Infinity)' }).describe(
      'Weight of telling pictures of one prompt apart, relative to telling prompts apart.',
    ),
  }),
});

export type PretrainingConfig = z.infer<typeof pretrainingSchema>;
export type PretrainingPart = 'denoiser' | 'reward';
