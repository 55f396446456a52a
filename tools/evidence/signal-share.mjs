/**
 * @file How much of a gradient is signal: what chunks of pictures have in common.
 *
 *     node tools/evidence/signal-share.mjs --pipeline models/shapes --seeds 6
 *
 * (after `npm run build`). A chunk is one group of each of 12 prompts, the same in every chunk, arm and seed: 36
 * pictures with groups of 3 (`--branches`). DDPO's groups share nothing but the prompt; those of `B² s` fork where
 * the last s of 20 steps begin. Its gradient is that of DDPO-IS with respect to B of a fresh LoRA (rank 4 on
 * attention) at the untuned model: guidance 1, eta 1, all pictures, no clip. Advantages are z within the prompt
 * over all chunks of a seed and arm (prompt-centered), or that minus its mean over the group (branch-centered).
 *
 *     share = mean_{i != j} <g_i, g_j> / mean_i <g_i, g_i>,     g_i = Σ_s w_s g_i^s over the sampler steps s
 *
 * DDPO's gradients are also summed over its last 14 and 8 steps alone. Columns by weights w_s: all 1; the same
 * without the last two steps; `stepWeighting: variance`. First table: mean and standard error over seeds, each from
 * its own pairs. Second: over all pairs of chunks, of one seed or of two, with the jackknife's error; there are many
 * more of them. Then rows of the network a chunk, and the signal to noise of 1,000 network passes as a study counts
 * them: share / (1 - share) by all pairs, over rows of the sampler + 3 rows of the gradient. Last, the steps one by
 * one, prompt-centered: their part of the squared gradient, and their own share by all pairs.
 *
 * `--check` compares gradients that must be equal or in proportion, and measures nothing.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stepWeights } from '../../dist/models/objectives/step-weights.js';
import { networkPasses } from '../../dist/streams/study/config/network-passes.js';
import { checkGradients } from './check-gradients.mjs';
import { openGradients, samplesOf } from './gradients.mjs';
import { lastSteps, OPTIONS, openParts, openResults, printTable, readPrompts, seedsOf } from './parts.mjs';
import { innerProducts, mean, meanAndError, shareOfAllPairs, signalShare, withError } from './statistics.mjs';

const NUM_STEPS = 20;
const ARMS = [
  { name: 'DDPO', forkPlan: 'independent', trained: 20, summed: [20, 14, 8], centered: ['prompt'] },
  { name: 'B² at 14 of 20', forkPlan: 'interval', trained: 14, summed: [14], centered: ['prompt', 'branch'] },
  { name: 'B² at 8 of 20', forkPlan: 'interval', trained: 8, summed: [8], centered: ['prompt', 'branch'] },
];

const { values: options } = parseArgs({
  options: {
    ...OPTIONS,
    chunks: { type: 'string', default: '8' },
    branches: { type: 'string', default: '3' },
    check: { type: 'boolean', default: false },
  },
});
const [chunks, branches, threads] = [options.chunks, options.branches, options.threads].map(Number);
const seeds = seedsOf(options.seeds);

const parts = await openParts(options);
const prompts = await readPrompts(options.pipeline);
const gradients = await openGradients(parts, { prompts, branches, numSteps: NUM_STEPS, threads });
if (options.check) await checkGradients(gradients, ARMS);
else await measureAll();
await parts.close();

async function measureAll() {
  const results = await openResults(options.out, 'signal-share');
  const lines = new Map();
  // Seed by seed, so that a measurement that was stopped has the same seeds of all arms.
  for (const seed of seeds)
    for (const arm of ARMS) {
      const { forkPlan, trained } = arm;
      const key = {
        digest: parts.digest,
        prompts: prompts.length,
        branches,
        chunks,
        forkPlan,
        trained,
        seed,
      };
      const line = await results.of(key, () => measure(arm, key));
      lines.set(arm, [...(lines.get(arm) ?? []), line]);
      console.error(JSON.stringify(line));
    }
  await report(lines);
}

/** Gradients of every chunk and step, kept in a file: for each way to center, [chunks, steps, size] float32. */
async function measure(arm, key) {
  const sampled = await gradients.sample(arm, key);
  const steps = lastSteps(arm.trained, NUM_STEPS);
  const values = [];
  let ratioDeviation = 0;
  for (const centered of arm.centered)
    for (const chunk of sampled.chunks)
      for (const step of steps) {
        const one = await gradients.gradient(samplesOf(chunk, centered), [step]);
        values.push(one.gradient);
        ratioDeviation = Math.max(ratioDeviation, one.ratioDeviation);
      }
  const file = `signal-share-${key.digest}-${key.forkPlan}-${key.trained}-${branches}-${chunks}-${key.seed}.f32`;
  await writeFile(join(options.out, file), Buffer.concat(values.map((one) => Buffer.from(one.buffer))));
  const reward = mean(sampled.chunks.flat().flatMap(({ rewards }) => rewards));
  return { file, size: values[0].length, samplerRows: sampled.rows, ratioDeviation, reward };
}

/** `[seed][centered][chunk][step]`, each a gradient. */
async function readGradients(arm, { file, size }) {
  const bytes = await readFile(join(options.out, file));
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  let position = 0;
  const next = () => {
    position += size;
    return all.subarray(position - size, position);
  };
  const times = (count, make) => Array.from({ length: count }, make);
  return times(arm.centered.length, () => times(chunks, () => times(arm.trained, next)));
}

async function report(lines) {
  const bySeed = [];
  const byPair = [];
  const cost = [];
  const bySteps = [];
  for (const arm of ARMS) {
    const steps = lastSteps(arm.trained, NUM_STEPS);
    const read = await Promise.all(lines.get(arm).map((line) => readGradients(arm, line)));
    for (const [way, centered] of arm.centered.entries()) {
      const ofSeeds = read.map((seed) => seed[way]);
      for (const last of arm.summed) {
        const which = arm.summed.length > 1 ? `last ${last} steps` : `${centered}-centered`;
        const title = `${arm.name}, ${which}`;
        const shares = weightsOf(steps, last).map((weights) => {
          const summed = ofSeeds.map((ofChunks) => ofChunks.map((ofSteps) => weightedSum(ofSteps, weights)));
          return {
            seeds: meanAndError(summed.map((vectors) => signalShare(innerProducts(vectors)))),
            pairs: shareOfAllPairs(innerProducts(summed.flat())),
            rows: prompts.length * branches * weights.filter((weight) => weight > 0).length,
          };
        });
        const { samplerRows } = lines.get(arm)[0];
        bySeed.push([title, ...shares.map((share) => withError(share.seeds))]);
        byPair.push([title, ...shares.map((share) => withError(share.pairs))]);
        cost.push([
          title,
          samplerRows,
          shares.map(({ rows }) => rows).join(', '),
          ...shares.map(({ pairs, rows }) =>
            perThousandPasses(pairs, networkPasses({ sampling: samplerRows, training: rows })),
          ),
        ]);
      }
      if (centered === 'prompt') bySteps.push(...stepRows(arm.name, ofSeeds.flat(), steps));
    }
  }
  const weightings = ['unweighted', 'without the last two steps', 'weighted by variance'];
  console.log(`\nMean and standard error over ${seeds.length} seeds of ${chunks} chunks:\n`);
  printTable(['arm', ...weightings], bySeed);
  console.log(`\nAll pairs of ${seeds.length * chunks} chunks:\n`);
  printTable(['arm', ...weightings], byPair);
  console.log('\nRows of a chunk, and signal to noise per 1,000 passes:\n');
  printTable(['arm', 'sampler rows', 'gradient rows', ...weightings], cost);
  console.log('\nSteps:\n');
  printTable(['arm', 'step', 't', 'weight by variance', 'part of the squares', 'weighted', 'share'], bySteps);
}

/** The three weightings of the steps of an arm, of which the `last` ones are summed. */
function weightsOf(steps, last = steps.length) {
  const { coefficients } = gradients;
  const summed = lastSteps(last, NUM_STEPS);
  const byVariance = stepWeights(coefficients, summed, 'variance');
  const isSummed = (step) => summed.includes(step);
  return [
    steps.map((step) => (isSummed(step) ? 1 : 0)),
    steps.map((step) => (isSummed(step) && step < NUM_STEPS - 2 ? 1 : 0)),
    steps.map((step) => byVariance[step]),
  ];
}

function weightedSum(vectors, weights) {
  const sum = new Float64Array(vectors[0].length);
  for (const [index, vector] of vectors.entries())
    for (let i = 0; i < sum.length; i++) sum[i] += weights[index] * vector[i];
  return sum;
}

function perThousandPasses({ mean: share, error }, passes) {
  const scale = 1000 / passes;
  return withError({ mean: (scale * share) / (1 - share), error: (scale * error) / (1 - share) ** 2 });
}

function stepRows(title, ofChunks, steps) {
  const [, , weights] = weightsOf(steps);
  const products = steps.map((_, index) => innerProducts(ofChunks.map((ofSteps) => ofSteps[index])));
  const squares = products.map((ofStep) => mean(ofStep.map((row, index) => row[index])));
  const weighted = squares.map((square, index) => weights[index] ** 2 * square);
  const percent = (values, index) =>
    `${((100 * values[index]) / values.reduce((sum, value) => sum + value, 0)).toFixed(1)} %`;
  return steps.map((step, index) => [
    title,
    step,
    gradients.coefficients[step].timestep,
    weights[index].toFixed(2),
    percent(squares, index),
    percent(weighted, index),
    withError(shareOfAllPairs(products[index])),
  ]);
}
