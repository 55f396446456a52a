/** @file What is compared: by name, choices of an update, pictures of a choice, and what departs from person.yaml. */

import { BEHAVIORS } from './raters.mjs';

const surrogate = (settings) => `stages.trainer.surrogate=${settings}`;
const NFT = 'type: diffusion-nft, mixtureBeta: 1, klWeight: 0';
const NOISY = ['stages.sampler.stochasticSteps=all', 'stages.trainer.stepWeighting=variance'];
/** Constant rates, as everything but `studio` was first compared at. */
const CONSTANT = ['stages.trainer.learningRate=2e-3', 'stages.trainer.learningRateSchedule=constant'];
const DDPO = surrogate('{type: ddpo-is, clipRange: 2e-3, advClipMax: 1}');

const arm = (settings = [], { groups = 4, pictures = 4 } = {}) => ({ groups, pictures, settings });

export const ARMS = {
  studio: arm(),
  faster: arm(['stages.trainer.learningRate=3e-3']),
  'slow-fall': arm(['stages.trainer.learningRate=3e-3', 'stages.prompts.plannedRounds=300']),
  'best-of-2': arm([], { pictures: 2 }),
  'best-of-8': arm([surrogate(`{${NFT}, advClipMax: 3, timestepsPerSample: 6}`)], { pictures: 8 }),
  'late-votes': arm(['stages.prompts.runAhead=16', 'stages.trainer.maxStaleness=3']),
  'rounds-of-12': arm([], { groups: 12 }),
  'constant-rate': arm(CONSTANT),
  'timesteps-2': arm([...CONSTANT, surrogate(`{${NFT}, advClipMax: 2, timestepsPerSample: 2}`)]),
  'timesteps-12': arm([...CONSTANT, surrogate(`{${NFT}, advClipMax: 2, timestepsPerSample: 12}`)]),
  'clipped-best-of-8': arm(CONSTANT, { pictures: 8 }),
  'shared-prefix': arm([
    ...CONSTANT,
    'stages.sampler.stochasticSteps=all',
    'stages.sampler.forkPlan=interval',
    'stages.schedule.steps=5',
  ]),
  'early-noise': arm([
    ...CONSTANT,
    'stages.sampler.stochasticSteps=trained',
    'stages.sampler.forkPlan=interval',
    'stages.schedule={type: schedule, mode: fraction, timestepFraction: 0.34}',
  ]),
  'ddpo-is': arm([...CONSTANT, ...NOISY, DDPO]),
  'b2-branches': arm([
    ...CONSTANT,
    ...NOISY,
    DDPO,
    'stages.sampler.forkPlan=interval',
    'stages.schedule.steps=5',
  ]),
  d3po: arm([...CONSTANT, ...NOISY, surrogate('{type: d3po, preferenceBeta: 100, clipRange: 0.1}')]),
  'diffusion-dpo': arm([surrogate('{type: diffusion-dpo, preferenceBeta: 250, timestepsPerSample: 6}')]),
  'slow-sampler': arm(['stages.trainer.samplingPolicyDecay=0.3', 'stages.trainer.learningRate=1.45e-3']),
  twice: arm(['stages.trainer.updates.innerEpochs=2']),
  likes: arm(['stages.reward.options.says=likes']),
  ratings: arm(['stages.reward.options.says=ratings']),
  ...Object.fromEntries(
    BEHAVIORS.flatMap((behavior) =>
      [false, true].map((weigh) => [
        `${behavior}-${weigh ? 'weighed' : 'plain'}`,
        arm([
          `stages.reward={type: reward, from: module, path: tools/people/raters.mjs, options: {behavior: ${behavior}, weigh: ${weigh}}}`,
        ]),
      ]),
    ),
  ),
};
