/** @file `--check`: gradients that must be equal, or in proportion, on the network itself. */

import { samplesOf } from './gradients.mjs';

/** Largest difference, as a share of the gradient's norm, that rounding explains. */
const TOLERANCE = 1e-4;

/** Prints, for a chunk of every arm, how far equal gradients are apart. Errors: one that is farther than rounding. */
export async function checkGradients(gradients, arms) {
  for (const arm of arms) {
    const { chunks } = await gradients.sample(arm, { seed: 1, chunks: 1 });
    const samples = samplesOf(chunks[0], 'prompt');
    const [first, last] = [20 - arm.trained, 17];
    const of = async (some, steps) => (await gradients.gradient(some, steps)).gradient;
    const scaled = (factor) => samples.map((one) => ({ ...one, advantage: factor * one.advantage }));
    const half = samples.length / 2;
    const whole = await of(samples, [first]);
    const differences = {
      'twice the advantages': [await of(scaled(2), [first]), sum([whole, whole])],
      'minus the advantages': [await of(scaled(-1), [first]), whole.map((value) => -value)],
      'two halves of the pictures': [
        sum([await of(samples.slice(0, half), [first]), await of(samples.slice(half), [first])]),
        sum([whole, whole]),
      ],
      'two steps at once': [
        sum([await of(samples, [first, last]), await of(samples, [first, last])]),
        sum([whole, await of(samples, [last])]),
      ],
    };
    for (const [name, [got, expected]] of Object.entries(differences)) {
      const difference = norm(sum([got, expected.map((value) => -value)])) / norm(expected);
      console.log(`${arm.name}, ${name}: ${difference.toExponential(1)}`);
      if (!(difference < TOLERANCE))
        throw new Error(
          `${arm.name}, ${name}: expected at most ${TOLERANCE}, got ${difference}. Check the rows.`,
        );
    }
  }
}

const norm = (vector) => Math.hypot(...vector);

function sum(vectors) {
  return vectors[0].map((_, index) => vectors.reduce((total, vector) => total + vector[index], 0));
}
