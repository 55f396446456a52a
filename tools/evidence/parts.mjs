/**
 * @file What both measurements share: the model as a run opens it, its prompts, its rewards, and results that are
 * kept.
 */

import { createHash } from 'node:crypto';
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxRuntimeEngine } from '../../dist/models/engines/onnxruntime/engine.js';
import { openPipeline } from '../../dist/models/pipeline/pipeline.js';
import { dualEncoderReward } from '../../dist/models/rewards/sources/dual-encoder.js';
import { verify } from '../../dist/models/shapes/pictures/verifier.js';
import { parsePrompt } from '../../dist/models/shapes/prompts/parse-prompt.js';
import { promptZScores } from '../../dist/operators/advantages/prompt-z-scores.js';

/** Options of both commands. */
export const OPTIONS = {
  /** A folder with `prompts/train.txt` and `reward/`, as models/shapes. */
  pipeline: { type: 'string', default: 'models/shapes' },
  /** `6` for 1 to 6; `4-6` leaves the first ones to another process. */
  seeds: { type: 'string', default: '6' },
  threads: { type: 'string', default: '2' },
  /** Results so far; what is there is not measured again. */
  out: { type: 'string', default: 'runs/evidence' },
};

export const LORA = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: 4, alpha: 4 };

/** Sampler of every arm: no guidance, all noise of DDPM. */
export const SAMPLER = {
  guidanceScale: 1,
  eta: 1,
  stochasticSteps: 'all',
  sde: 'flow-grpo',
  forkSteps: [],
  latentsDtype: 'float32',
  noiseFor: 'training',
};

const NUM_PROMPTS = 12;

/** Opens the pipeline and its reward. `digest` tells its network and reward from others of the same name. */
export async function openParts({ pipeline: path, threads }) {
  const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: Number(threads) });
  const pipeline = await openPipeline(engine, path);
  const reward = await dualEncoderReward.create(
    { model: join(path, 'reward'), batchSize: 32 },
    { engine: () => engine, pipeline: path, imageShape: await pipeline.imageShape() },
  );
  const hash = createHash('sha256');
  for (const file of [pipeline.folder.denoiser.modelPath, join(path, 'reward/vision_model.onnx')])
    hash.update(await readFile(file));
  const close = async () => {
    await reward.close();
    await engine.close();
  };
  return { engine, pipeline, reward, digest: hash.digest('hex').slice(0, 12), close };
}

/** Twelve training prompts, evenly spaced in the list, so as many of each template. */
export async function readPrompts(path) {
  const lines = (await readFile(join(path, 'prompts/train.txt'), 'utf8')).split('\n');
  const prompts = lines.filter((line) => line !== '' && !line.startsWith('#'));
  return Array.from({ length: NUM_PROMPTS }, (_, row) =>
    prompts.at(Math.floor((row * prompts.length) / NUM_PROMPTS)),
  );
}

/** The last `trained` of `numSteps` sampler steps. */
export const lastSteps = (trained, numSteps) =>
  Array.from({ length: trained }, (_, index) => numSteps - trained + index);

/** Rewards, the verifier's scores and its verdicts on the branches of a group. */
export async function scoreGroup(reward, prompt, { branches }) {
  const images = branches.map(({ image }) => image);
  const { rewards } = await reward.score({ prompt, images });
  const verdicts = images.map((image) => verify(image, parsePrompt(prompt)));
  return {
    prompt,
    rewards,
    scores: verdicts.map(({ score }) => score),
    satisfied: verdicts.map(({ satisfied }) => Number(satisfied)),
  };
}

/** z of every value within its prompt, as the history rule takes it in a first round. */
export function zWithinPrompts(groups, valuesOf) {
  const round = groups.map((group) => ({ prompt: group.prompt, rewards: valuesOf(group) }));
  return promptZScores({ historyRounds: 0 })({ rounds: [] }, round).zScores;
}

/** The seeds of `--seeds`. */
export function seedsOf(text) {
  const [first, last] = text.includes('-') ? text.split('-').map(Number) : [1, Number(text)];
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Results as lines of JSON, one for every seed and arm: a file that outlives a stopped measurement. */
export async function openResults(folder, name) {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${name}.jsonl`);
  return {
    /**
     * The line of a key, measured if it is missing. The file is read anew each time: another process may write to
     * it, too.
     */
    async of(key, measure) {
      const found = (await linesOf(path)).find((line) => JSON.stringify(line.key) === JSON.stringify(key));
      if (found) return found;
      const line = { key, ...(await measure()) };
      await appendFile(path, `${JSON.stringify(line)}\n`);
      return line;
    },
  };
}

async function linesOf(path) {
  const text = await readFile(path, 'utf8').catch((cause) => {
    if (cause.code === 'ENOENT') return '';
    throw cause;
  });
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line));
}

/** A table for a page. */
export function printTable(columns, rows) {
  for (const cells of [columns, columns.map(() => '---'), ...rows]) console.log(`| ${cells.join(' | ')} |`);
}
