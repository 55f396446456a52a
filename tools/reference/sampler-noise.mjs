/**
 * @file Writes test/fixtures/stable-diffusion/noise.safetensors: the noise that the sampler draws for two groups of one
 * branch, so that diffusers can be given the same (tools/reference/stable_diffusion.py). Needs a build.
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { encodeSafetensors } from '../../dist/models/adapters/safetensors.js';
import { counterRandom } from '../../dist/models/random/counter-random.js';

const SEED = 7;
const GROUPS = [0, 1];
const NUM_STEPS = 20;
const SHAPE = [4, 8, 8];
const SIZE = 4 * 8 * 8;

const initial = GROUPS.map((group) =>
  counterRandom({ seed: SEED, purpose: 'initial-latents', group, branch: 0 }).normal(SIZE),
);
const steps = Array.from({ length: NUM_STEPS }, (_, step) =>
  GROUPS.map((group) =>
    counterRandom({ seed: SEED, purpose: 'step-noise', group, branch: 0, step }).normal(SIZE),
  ),
);
const joined = (parts) => Float32Array.from(parts.flatMap((part) => [...part]));
const bytes = encodeSafetensors({
  tensors: new Map([
    ['initial', { dtype: 'F32', shape: [GROUPS.length, ...SHAPE], data: joined(initial) }],
    ['steps', { dtype: 'F32', shape: [NUM_STEPS, GROUPS.length, ...SHAPE], data: joined(steps.flat()) }],
  ]),
  metadata: { seed: String(SEED) },
});
await mkdir('test/fixtures/stable-diffusion', { recursive: true });
await writeFile('test/fixtures/stable-diffusion/noise.safetensors', bytes);
