/**
 * @file Writes the noise that the sampler draws for two groups of one branch, so that diffusers can be given the same: that
 * of training (tools/reference/stable_diffusion.py), or that of pictures (tools/reference/adapter_pictures.py). Needs a
 * build.
 *
 *     node tools/reference/sampler-noise.mjs [output file] [training|evaluation]
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { encodeSafetensors } from '../../dist/models/files/safetensors.js';
import { counterRandom } from '../../dist/models/random/counter-random.js';

const [out = 'test/fixtures/stable-diffusion/noise.safetensors', noiseFor = 'training'] =
  process.argv.slice(2);
const SEED = 7;
const GROUPS = [0, 1];
const NUM_STEPS = 20;
const SHAPE = [4, 8, 8];
const SIZE = 4 * 8 * 8;

const forTraining = noiseFor === 'training';
const initial = GROUPS.map((group) => {
  const purpose = forTraining ? 'initial-latents' : 'evaluation';
  return counterRandom({ seed: SEED, purpose, group, branch: 0 }).normal(SIZE);
});
const steps = Array.from({ length: NUM_STEPS }, (_, step) =>
  GROUPS.map((group) => {
    const stream = forTraining ? { purpose: 'step-noise', step } : { purpose: 'evaluation', step: step + 1 };
    return counterRandom({ seed: SEED, group, branch: 0, ...stream }).normal(SIZE);
  }),
);
const joined = (parts) => Float32Array.from(parts.flatMap((part) => [...part]));
const bytes = encodeSafetensors({
  tensors: new Map([
    ['initial', { dtype: 'F32', shape: [GROUPS.length, ...SHAPE], data: joined(initial) }],
    ['steps', { dtype: 'F32', shape: [NUM_STEPS, GROUPS.length, ...SHAPE], data: joined(steps.flat()) }],
  ]),
  metadata: { seed: String(SEED) },
});
await mkdir(dirname(out), { recursive: true });
await writeFile(out, bytes);
