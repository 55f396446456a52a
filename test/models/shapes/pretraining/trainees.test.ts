/** @file The networks that ship, built for training: every weight learns, equal steps give equal batches. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../../../src/models/engines/onnxruntime/engine.js';
import { writeFileAtomic } from '../../../../src/models/files/atomic.js';
import { loadTokenizer } from '../../../../src/models/pipeline/tokenizers/tokenizer.js';
import type { Tokenizer } from '../../../../src/models/pipeline/tokenizers/tokenizer-contract.js';
import { initialFitState, weightFeeds } from '../../../../src/models/pretraining/fit.js';
import type { Trainee } from '../../../../src/models/pretraining/trainee.js';
import { gradientName } from '../../../../src/models/pretraining/trainee.js';
import { denoiserTrainee } from '../../../../src/models/shapes/pretraining/denoiser-trainee.js';
import type {
  PretrainingConfig,
  PretrainingPart,
} from '../../../../src/models/shapes/pretraining/pretraining-config.js';
import type { PretrainingService } from '../../../../src/models/shapes/pretraining/pretraining-thread.js';
import { rewardTrainee } from '../../../../src/models/shapes/pretraining/reward-trainee.js';
import { shapesTokenizerFiles } from '../../../../src/models/shapes/prompts/shapes-files.js';
import { elementCount } from '../../../../src/models/tensor.js';
import { startThread } from '../../../../src/models/threads/thread.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { runModel } from '../../../fixtures/run-model.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const EQUAL = { binding: { weight: 1 }, counting: { weight: 1 }, relation: { weight: 1 } };
const DENOISER = { seed: 1, batchSize: 2, captionCorruption: 0.1, captionDropout: 0.1, templates: EQUAL };
const REWARD = { seed: 1, batchSize: 4, candidates: 3, imageNoise: 0.2, blended: 0.15, instanceWeight: 0.2 };

let engine: Engine;
let folder: string;
let tokenizer: Tokenizer;
beforeAll(async () => {
  engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
  folder = await mkdtemp(join(tmpdir(), 'tributary-tokenizer-'));
  for (const [name, content] of Object.entries(shapesTokenizerFiles()))
    await writeFileAtomic(join(folder, name), content);
  tokenizer = loadTokenizer(folder);
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

describe.each([
  ['denoiserTrainee', (seed: number) => denoiserTrainee(tokenizer, { ...DENOISER, seed })],
  ['rewardTrainee', (seed: number) => rewardTrainee(tokenizer, { ...REWARD, seed })],
] as const)('%s', (_, build: (seed: number) => Trainee) => {
  it('should have a finite gradient, not all zero, for every weight', async () => {
    const trainee = build(1);
    const { weights } = initialFitState(trainee, 1);
    const results = await runModel(engine, trainee.graph, {
      ...trainee.batch(0)[0],
      ...weightFeeds(trainee, weights),
    });
    expect(results.loss?.[0]).toBeGreaterThan(0);
    for (const { name, shape } of trainee.weights) {
      const gradient = results[gradientName(name)] ?? new Float32Array();
      expect(gradient, name).toHaveLength(elementCount(shape));
      expect(gradient.every(Number.isFinite), name).toBe(true);
      expect(
        gradient.some((value) => value !== 0),
        name,
      ).toBe(true);
    }
  });

  it('should give equal batches for equal steps and seeds, and only for those', () => {
    const [one, same, other] = [build(1), build(1), build(2)];
    expect(same.batch(3)).toEqual(one.batch(3));
    expect(one.batch(4)).not.toEqual(one.batch(3));
    expect(other.batch(3)).not.toEqual(one.batch(3));
  });
});

describe('the pretraining thread', () => {
  const fitted = {
    numSteps: 3,
    learningRate: 1e-3,
    warmupSteps: 1,
    weightDecay: 0.01,
    maxGradNorm: 1,
    averageDecay: 0.9,
  };
  const { seed: _, ...denoiser } = DENOISER;
  const { seed: __, ...reward } = REWARD;
  const config = (pipeline: string): PretrainingConfig => ({
    pipeline,
    seed: 1,
    denoiser: { ...fitted, ...denoiser },
    reward: { ...fitted, ...reward },
  });

  async function open(pipeline: string, part: PretrainingPart, resume = false, seed = 1) {
    const url = new URL('../../../../dist/models/shapes/pretraining/pretraining-thread.js', import.meta.url);
    const thread = startThread<PretrainingService>(url, 'pretraining');
    onTestFinished(() => thread.close());
    const progress = await thread.call.open({
      config: { ...config(pipeline), seed },
      part,
      engine: { providers: ['cpu'], threads: 1 },
      checkpointPath: join(pipeline, `${part}.safetensors`),
      resume,
    });
    return { call: thread.call, progress };
  }

  const FILES = { denoiser: 'unet/model.onnx', reward: 'reward/vision_model.onnx' };

  it.each(['denoiser', 'reward'] as const)(
    'should export the same %s after a resume as without one, and resume no run of another seed',
    async (part) => {
      const pipeline = await temporaryFolder();
      const exported = () => readFile(join(pipeline, FILES[part]));
      const through = await open(pipeline, part);
      expect(through.progress).toMatchObject({ step: 0, numSteps: 3 });
      expect(await through.call.advance({ steps: 1 })).toMatchObject({ step: 1, loss: expect.any(Number) });
      await through.call.save(undefined);
      await through.call.advance({ steps: 9 });
      await through.call.exportModels(undefined);
      const whole = await exported();
      const resumed = await open(pipeline, part, true);
      expect(resumed.progress.step).toBe(1);
      await resumed.call.exportModels(undefined);
      expect((await exported()).equals(whole)).toBe(false);
      expect((await resumed.call.advance({ steps: 9 })).step).toBe(3);
      await resumed.call.exportModels(undefined);
      expect((await exported()).equals(whole)).toBe(true);
      const [code] = await faultOf(() => open(pipeline, part, true, 2));
      expect(code).toBe('TRIB_CHECKPOINT');
    },
  );
});
