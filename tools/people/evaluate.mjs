/**
 * @file How a policy does on prompts that nobody voted on: pictures from fixed noise, read by the exact verifier.
 *
 *     node tools/people/evaluate.mjs --out base.json [--lora adapter.safetensors] [--images 8]
 *
 * Writes, for each prompt, how many of its pictures satisfy it and how much they differ (the mean of 1 - cosine over
 * pairs, by features of the reward model).
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createOnnxRuntimeEngine } from '../../dist/models/engines/onnxruntime/engine.js';
import { openDenoiser } from '../../dist/models/pipeline/denoiser.js';
import { openPipeline } from '../../dist/models/pipeline/pipeline.js';
import { policyParameters, startingPolicy } from '../../dist/models/policy/policy-file.js';
import { meanPairwiseDistance } from '../../dist/models/rewards/contract/features.js';
import { dualEncoderReward } from '../../dist/models/rewards/sources/dual-encoder.js';
import { createSampler } from '../../dist/models/rollouts/sampler.js';
import { verify } from '../../dist/models/shapes/pictures/verifier.js';
import { parsePrompt } from '../../dist/models/shapes/prompts/parse-prompt.js';
import { loraFor, readPolicy } from '../../dist/streams/directory/read-adapter.js';
import { unseenPrompts } from './prompts.mjs';

const { values: options } = parseArgs({
  options: {
    pipeline: { type: 'string', default: 'models/shapes' },
    lora: { type: 'string' },
    images: { type: 'string', default: '8' },
    others: { type: 'string', default: '36' },
    steps: { type: 'string', default: '6' },
    guidance: { type: 'string', default: '1' },
    seed: { type: 'string', default: '999' },
    out: { type: 'string' },
  },
});
const perPrompt = Number(options.images);
const prompts = unseenPrompts(Number(options.others));
const BATCH = 96;

const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
const pipeline = await openPipeline(engine, options.pipeline);
const reward = await dualEncoderReward.create(
  { model: join(options.pipeline, 'reward'), batchSize: 32 },
  { engine: () => engine, pipeline: options.pipeline, imageShape: await pipeline.imageShape() },
);
const policy = options.lora === undefined ? null : await readPolicy(options.lora);
const lora = policy ? loraFor(policy) : { pattern: 'attn[12]/to_q', rank: 1, alpha: 1 };
const guidanceScale = Number(options.guidance);
const rows = guidanceScale > 1 ? 2 * BATCH : BATCH;
const denoiser = await openDenoiser(engine, pipeline, { lora, rows: [rows] });
await denoiser.usePolicy(
  policy ? policyParameters(policy, denoiser, policy.path) : startingPolicy(denoiser, lora, 1),
);
const sampler = createSampler(pipeline, denoiser, {
  seed: Number(options.seed),
  noiseFor: 'evaluation',
  numInferenceSteps: Number(options.steps),
  guidanceScale,
  eta: 1,
  sde: 'flow-grpo',
  stochasticSteps: 'all',
  forkPlan: 'independent',
  forkSteps: [],
  numBranches: 1,
  groupsPerBatch: BATCH,
  latentsDtype: 'float32',
});
const requests = prompts.flatMap(({ prompt }, row) =>
  Array.from({ length: perPrompt }, (_, image) => ({ groupIndex: row * perPrompt + image, prompt })),
);
const pictures = [];
for (let start = 0; start < requests.length; start += BATCH) {
  const groups = await sampler.rollout(requests.slice(start, start + BATCH), []);
  pictures.push(...groups.map(({ branches: [{ image }] }) => image));
}
const measured = [];
for (const [row, { prompt, list }] of prompts.entries()) {
  const images = pictures.slice(row * perPrompt, (row + 1) * perPrompt);
  const { features } = await reward.score({ prompt, images });
  const verdicts = images.map((image) => verify(image, parsePrompt(prompt)));
  measured.push({
    prompt,
    list,
    template: parsePrompt(prompt).template,
    images: perPrompt,
    satisfied: verdicts.filter(({ satisfied }) => satisfied).length,
    score: verdicts.reduce((sum, { score }) => sum + score, 0) / perPrompt,
    diversity: meanPairwiseDistance(features),
  });
}
await reward.close();
await engine.close();
await writeFile(options.out, JSON.stringify(measured));
