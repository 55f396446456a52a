/** @file Diffusion-DPO's surrogate: preferences between two pictures, noised alike. */

import { at } from '../../at.js';
import { number } from '../../fields.js';
import type { Expression } from '../graph/ops/expression.js';
import { meanSquaredDistance } from './log-prob.js';
import { defineSurrogate, referenceOf, timestepsPerSampleField } from './surrogate.js';

/**
 * Loss of every pair [M/2] (Wallace et al. 2023, Diffusion-DPO, eq. 14, with the scale of its released training script):
 *
 *   -log σ(-(β/2) ((ℓ_win - ℓ_win,pre) - (ℓ_lose - ℓ_lose,pre))),  ℓ = mean_D (out - target)²
 *
 * Notation: `preferenceBeta` is β, the strength of the KL to the pretrained model, into which the paper's T ω(λ_t) is taken.
 * Rows 0 .. M/2 - 1 are preferred to rows M/2 .. M - 1; both pictures of a pair are noised to the same timestep with the same
 * noise. The advantage is not read: it has decided which row is which.
 *
 * Identity: -log σ(z) = softplus(-z), which does not overflow. Where both policies agree the loss is ln 2.
 *
 * Nothing is read of how a picture was sampled, so pairs may come from anywhere, however old.
 */
export const diffusionDpo = defineSurrogate({
  name: 'diffusion-dpo',
  summary:
    "Diffusion-DPO's preference loss on pairs of pictures with the same fresh noise: -log σ(-preferenceBeta/2 times how much more the denoising error has grown on the preferred one than on the other, against the pretrained model).",
  fields: {
    preferenceBeta: number({ from: '(0', to: 'Infinity)' })
      .default(5000)
      .describe(
        "Factor β of the preference; with a larger β, less drift from the pretrained model suffices. Errors are means over the latent: the released 5000 is for Stable Diffusion's 16,384 numbers, and suits others in proportion to theirs.",
      ),
    timestepsPerSample: timestepsPerSampleField(1),
  },
  create: ({ preferenceBeta, timestepsPerSample }) => ({
    trainsOn: 'denoising',
    comparesPairs: true,
    timestepsPerSample,
    references: ['pretrained'],
    clipRange: null,
    loss: (values) => {
      const errorOf = ({ modelOutput }: { readonly modelOutput: Expression }) =>
        meanSquaredDistance(modelOutput, values.target);
      const growth = errorOf(values.policy).sub(errorOf(referenceOf(values, 'pretrained')));
      const pairs = at(growth.shape, 0) / 2;
      const [preferred, rejected] = growth.split([pairs, pairs], 0) as [Expression, Expression];
      return preferred
        .sub(rejected)
        .mul(preferenceBeta / 2)
        .softplus();
    },
  }),
});
