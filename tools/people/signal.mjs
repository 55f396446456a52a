/**
 * @file How much of what an errorless person would teach is left in the rewards of imperfect raters, with and without
 * weights by agreement. Nothing is trained: groups are drawn from the base model.
 *
 *     node tools/people/signal.mjs --seeds 91,92,93 --groups 600
 *
 * The signal of a group is the mean over its pictures of A s: A the z-score of the reward in the group, s the verifier's
 * score. Prints, per behavior, the signal as a share of that of one person who is never wrong, mean ± standard error over
 * the seeds.
 */
import { parseArgs } from 'node:util';
import { createOnnxRuntimeEngine } from '../../dist/models/engines/onnxruntime/engine.js';
import { toRgb8 } from '../../dist/models/images/picture.js';
import { openDenoiser } from '../../dist/models/pipeline/denoiser.js';
import { openPipeline } from '../../dist/models/pipeline/pipeline.js';
import { startingPolicy } from '../../dist/models/policy/policy-file.js';
import { createSampler } from '../../dist/models/rollouts/sampler.js';
import { verify } from '../../dist/models/shapes/pictures/verifier.js';
import { parsePrompt } from '../../dist/models/shapes/prompts/parse-prompt.js';
import { promptLists } from '../../dist/models/shapes/prompts/prompt-lists.js';
import { chooseBest, diceOf } from './person.mjs';
import { BEHAVIORS, createTally, votesOf } from './raters.mjs';

const { values: options } = parseArgs({
  options: {
    pipeline: { type: 'string', default: 'models/shapes' },
    seeds: { type: 'string', default: '91,92,93' },
    groups: { type: 'string', default: '600' },
  },
});
const BATCH = 24;
const PICTURES = 4;
const LORA = { pattern: 'attn[12]/to_q', rank: 1, alpha: 1 };

const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
const pipeline = await openPipeline(engine, options.pipeline);
const denoiser = await openDenoiser(engine, pipeline, { lora: LORA, rows: [BATCH * PICTURES] });
await denoiser.usePolicy(startingPolicy(denoiser, LORA, 1));
const [, height, width] = await pipeline.imageShape();

/** Groups of a seed: prompt and pictures as a reward module gets them. */
async function draw(seed) {
  const sampler = createSampler(pipeline, denoiser, {
    seed,
    noiseFor: 'training',
    numInferenceSteps: 6,
    guidanceScale: 1,
    eta: 1,
    sde: 'flow-grpo',
    stochasticSteps: 'none',
    forkPlan: 'independent',
    forkSteps: [],
    numBranches: PICTURES,
    groupsPerBatch: BATCH,
    latentsDtype: 'float32',
  });
  const { train } = promptLists();
  const requests = Array.from({ length: Number(options.groups) }, (_, groupIndex) => ({
    groupIndex,
    prompt: train[groupIndex % train.length],
  }));
  const groups = [];
  for (let start = 0; start < requests.length; start += BATCH) {
    const batch = requests.slice(start, start + BATCH);
    for (const [index, { branches }] of (await sampler.rollout(batch, [0, 1, 2, 3, 4, 5])).entries()) {
      const images = branches.map(({ image }) => ({
        values: image,
        data: toRgb8(image, height, width).data,
      }));
      groups.push({ prompt: batch[index].prompt, images });
    }
  }
  return groups;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function signal(groups, rewardsOf) {
  return mean(
    groups.map(({ prompt, images }) => {
      const rewards = rewardsOf(prompt, images);
      const center = mean(rewards);
      const std = Math.sqrt(mean(rewards.map((reward) => (reward - center) ** 2)));
      if (std === 0) return 0;
      const scores = images.map(({ values }) => verify(values, parsePrompt(prompt)).score);
      return mean(rewards.map((reward, index) => ((reward - center) / std) * scores[index]));
    }),
  );
}

const shares = new Map();
for (const seed of options.seeds.split(',').map(Number)) {
  const groups = await draw(seed);
  const perfect = signal(groups, (prompt, images) => {
    const scores = images.map(({ values }) => verify(values, parsePrompt(prompt)).score);
    const chosen = chooseBest(scores, 0, diceOf(seed, prompt, images));
    return scores.map((_, index) => (index === chosen ? 1 : 0));
  });
  for (const behavior of BEHAVIORS)
    for (const weigh of [false, true]) {
      const tally = createTally(weigh);
      const found = signal(groups, (prompt, images) =>
        tally(votesOf(behavior, seed, prompt, images), images.length),
      );
      const key = `${behavior} ${weigh}`;
      shares.set(key, [...(shares.get(key) ?? []), (100 * found) / perfect]);
    }
}
await engine.close();

const cell = (values) => {
  const center = mean(values);
  const error = Math.sqrt(mean(values.map((value) => (value - center) ** 2)) / (values.length - 1));
  return `${center.toFixed(1)} ± ${error.toFixed(1)}`;
};
console.log('| half of the raters | mean of the votes, % | weights by agreement, % |\n| --- | --- | --- |');
for (const behavior of BEHAVIORS)
  console.log(
    `| ${behavior} | ${cell(shares.get(`${behavior} false`))} | ${cell(shares.get(`${behavior} true`))} |`,
  );
