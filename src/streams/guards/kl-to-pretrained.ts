import { type GuardSpec, ofRounds } from './guard-spec.js';

/**
 * Distance to the pretrained model.
 *
 *     value = mean over the trained rows (sample, step) of KL(policy step || step of the pretrained model)
 *
 * in nats a sampler step, summed over the dimensions of the latent; exact, because both steps are normals of one variance.
 * No value where the training graph does not measure it.
 */
export const klToPretrained: GuardSpec = {
  description:
    'KL to the pretrained model: the policy has gone far from where it came from. With any action but off, every trained sample and step costs a forward pass of the pretrained model.',
  threshold: {
    default: 10,
    description:
      'Largest mean KL of one sampler step to that of the pretrained model, in nats, summed over the latent: larger latents have larger ones.',
  },
  defaultAction: 'off',
  quantity: 'nats a step to the pretrained model',
  nextStep: 'Lower learningRate, train fewer rounds, or choose a surrogate that penalizes the distance',
  start: () => ofRounds(({ klToPretrained: kl }) => kl),
};
