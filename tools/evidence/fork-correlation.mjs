/**
 * @file How much of a reward the shared prefix decides, by the noise level of the fork.
 *
 *     node tools/evidence/fork-correlation.mjs --pipeline models/shapes --seeds 6
 *
 * (after `npm run build`). The untuned model, guidance 1, eta 1; 12 prompts, 3 prefixes each, 4 branches a prefix:
 * 144 pictures a seed and fork; the same prompts and seeds for every fork. Columns, mean and standard error over
 * seeds:
 *
 * - z: `intraGroupCorrelation` (ICC(1), Shrout and Fleiss 1979) of z within the prompt, as in metrics.jsonl and as a
 *   schedule by correlation reads it. Three prefixes a prompt make it too low, by 0.09 if branches are independent.
 * - nested: the same without that bias (`correlationWithinPrompts`).
 * - raw: ICC(1) of the rewards as they are; the easy and the hard prompts count as agreement.
 * - verifier: nested, of the verifier's scores.
 *
 * `--forks 4/6,14/20`: trained steps of sampler steps. `--out`: where results are kept, and a stopped
 * measurement goes on.
 */

import { parseArgs } from 'node:util';
import { inferenceTimesteps } from '../../dist/models/diffusion/inference-timesteps.js';
import { openDenoiser } from '../../dist/models/pipeline/denoiser.js';
import { initialParameters } from '../../dist/models/policy/adapter-parameters.js';
import { createSampler } from '../../dist/models/rollouts/sampler.js';
import { intraGroupCorrelation } from '../../dist/operators/advantages/rule-statistics.js';
import {
  LORA,
  lastSteps,
  OPTIONS,
  openParts,
  openResults,
  printTable,
  readPrompts,
  SAMPLER,
  scoreGroup,
  seedsOf,
  zWithinPrompts,
} from './parts.mjs';
import { correlationWithinPrompts, mean, meanAndError, withError } from './statistics.mjs';

const PREFIXES = 3;
const BRANCHES = 4;

const { values: options } = parseArgs({
  options: { ...OPTIONS, forks: { type: 'string', default: '2/20,8/20,11/20,4/6,14/20,5/6,17/20,20/20' } },
});
const forks = options.forks.split(',').map((fork) => {
  const [trained, numSteps] = fork.split('/').map(Number);
  return { trained, numSteps };
});
const seeds = seedsOf(options.seeds);

const { engine, pipeline, reward, digest, close } = await openParts(options);
const prompts = await readPrompts(options.pipeline);
const results = await openResults(options.out, 'fork-correlation');
const requests = prompts.flatMap((prompt, row) =>
  Array.from({ length: PREFIXES }, (_, prefix) => ({ groupIndex: row * PREFIXES + prefix, prompt })),
);
const rows = [requests.length, requests.length * BRANCHES];
const denoiser = await openDenoiser(engine, pipeline, { lora: LORA, rows });
await denoiser.usePolicy(initialParameters(denoiser.adapters, LORA, 1));

/** Samples one round at one fork and correlates what its groups got. */
async function measure({ trained, numSteps }, seed) {
  const settings = {
    ...SAMPLER,
    seed,
    numInferenceSteps: numSteps,
    forkPlan: 'interval',
    numBranches: BRANCHES,
  };
  const sampler = createSampler(pipeline, denoiser, { ...settings, groupsPerBatch: requests.length });
  const sampled = await sampler.rollout(requests, lastSteps(trained, numSteps));
  const groups = [];
  for (const [index, group] of sampled.entries())
    groups.push(await scoreGroup(reward, requests[index].prompt, group));
  const nested = (valuesOf) => {
    const zScores = zWithinPrompts(groups, valuesOf);
    return correlationWithinPrompts(groups.map(({ prompt }, index) => ({ prompt, values: zScores[index] })));
  };
  return {
    z: intraGroupCorrelation(zWithinPrompts(groups, ({ rewards }) => rewards)),
    nested: nested(({ rewards }) => rewards),
    raw: intraGroupCorrelation(groups.map(({ rewards }) => rewards)),
    verifier: nested(({ scores }) => scores),
    reward: mean(groups.flatMap(({ rewards }) => rewards)),
    satisfied: mean(groups.flatMap(({ satisfied }) => satisfied)),
  };
}

const table = [];
for (const fork of forks) {
  const { trained, numSteps } = fork;
  const { timestep } = inferenceTimesteps(pipeline.schedule, numSteps)[numSteps - trained];
  const lines = [];
  for (const seed of seeds) {
    const line = await results.of({ digest, prompts: prompts.length, trained, numSteps, seed }, () =>
      measure(fork, seed),
    );
    lines.push(line);
    console.error(JSON.stringify(line));
  }
  const column = (name) => withError(meanAndError(lines.map((line) => line[name])), 2);
  const measured = ['z', 'nested', 'raw', 'verifier'].map(column);
  const satisfied = `${(100 * mean(lines.map((line) => line.satisfied))).toFixed(0)} %`;
  table.push([`${trained} of ${numSteps}`, timestep, ...measured, satisfied]);
}
await close();
printTable(['trained steps', 'fork at t', 'z', 'nested', 'raw', 'verifier, nested', 'satisfied'], table);
