/** @file Settings of the pretraining of the shapes model and its reward model, as a config file gives them. */

import { z } from 'zod';

const fit = {
  numSteps: z.int().min(1).describe('Optimizer steps'),
  batchSize: z.int().min(1).describe('Pictures a step'),
  learningRate: z.number().positive().describe('Peak of the learning rate, after warm-up'),
  warmupSteps: z.int().min(1).default(100).describe('Steps over which the learning rate grows from zero'),
  weightDecay: z.number().min(0).default(0.01).describe('Decoupled weight decay (AdamW)'),
  maxGradNorm: z.number().positive().default(1).describe('Gradients longer than this are shortened to it'),
  averageDecay: z
    .number()
    .min(0)
    .lt(1)
    .default(0.999)
    .describe('Decay of the average of the weights that is exported'),
};

const share = () => z.number().min(0).max(1);

export const pretrainingSchema = z.strictObject({
  pipeline: z.string().describe('Folder that the model is written to'),
  seed: z.int().min(0).describe('Seed of weights, pictures, captions and noise'),
  denoiser: z.strictObject({
    ...fit,
    captionCorruption: share().describe(
      'Share of captions that are wrong on purpose; more makes a worse aligned model',
    ),
    captionDropout: share().describe('Share of captions that are empty, for classifier-free guidance'),
  }),
  reward: z.strictObject({
    ...fit,
    batchSize: z.int().min(2).multipleOf(2).describe('Pictures a step; every prompt is drawn twice'),
    candidates: z.int().min(2).describe('Prompts that each picture is compared with'),
    imageNoise: z.number().min(0).describe('Most standard deviation of the noise on pictures'),
    blended: share().describe('Share of pictures that are two scenes blended: they fit no prompt'),
    instanceWeight: z
      .number()
      .min(0)
      .describe('Weight of telling pictures of one prompt apart, beside telling prompts apart'),
  }),
});

export type PretrainingConfig = z.infer<typeof pretrainingSchema>;
export type PretrainingPart = 'denoiser' | 'reward';
