import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { loadTokenizer } from '../../../../src/models/pipeline/tokenizers/tokenizer.js';
import type { Tokenizer } from '../../../../src/models/pipeline/tokenizers/tokenizer-contract.js';
import { cosine, meanPairwiseDistance } from '../../../../src/models/rewards/contract/features.js';
import { openDualEncoder } from '../../../../src/models/rewards/encoders/dual-encoder.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { randomTensor } from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { TINY_IMAGE, TINY_PROMPTS, writeTinyPipeline } from '../../../fixtures/tiny-pipeline.js';

let engine: Engine;
let folder: string;
let tokenizer: Tokenizer;
beforeAll(async () => {
  engine = sharedEngine();
  folder = await mkdtemp(join(tmpdir(), 'tributary-reward-'));
  await writeTinyPipeline(folder);
  tokenizer = loadTokenizer(join(folder, 'tokenizer'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const pictures = [1, 2, 3, 4, 5].map((seed) => randomTensor(seed, TINY_IMAGE).data);
const open = (batchSize: number) =>
  openDualEncoder(engine, join(folder, 'reward'), { tokenizer, batchSize, imageShape: TINY_IMAGE });

describe('openDualEncoder', () => {
  it('should give features of length 1, one a picture, whatever the batch size', async () => {
    const whole = await (await open(8)).imageFeatures(pictures);
    const parts = await (await open(2)).imageFeatures(pictures);
    expect(whole).toHaveLength(5);
    for (const [index, feature] of whole.entries()) {
      expect(Math.hypot(...feature)).toBeCloseTo(1, 5);
      expect(cosine(parts[index] as Float32Array, feature)).toBeCloseTo(1, 5);
    }
    expect(cosine(whole[0] as Float32Array, whole[1] as Float32Array)).toBeLessThan(0.99);
  });

  it('should give other features for other prompts, and the same again', async () => {
    const encoder = await open(2);
    const [one = '', two = ''] = TINY_PROMPTS;
    const first = await encoder.textFeatures(one);
    expect(Math.hypot(...first)).toBeCloseTo(1, 5);
    expect(await encoder.textFeatures(two)).not.toEqual(first);
    expect(await encoder.textFeatures(one)).toEqual(first);
  });

  it('should refuse pictures of another size, before one is scored', async () => {
    const wide = [3, 16, 32] as const;
    const [code, message] = await faultOf(() =>
      openDualEncoder(engine, join(folder, 'reward'), { tokenizer, batchSize: 1, imageShape: wide }),
    );
    expect(code).toBe('TRIB_MODEL');
    expect(message).toContain(
      'vision_model.onnx input "pixel_values": expected pictures of [3, 16, 32] as the sampler makes them, got a graph for [3, 16, 16].',
    );
  });

  it('should say which file is not there, and which is cut short', async () => {
    const lacking = await temporaryFolder();
    expect(
      await faultOf(() =>
        openDualEncoder(engine, lacking, { tokenizer, batchSize: 1, imageShape: TINY_IMAGE }),
      ),
    ).toEqual([
      'TRIB_FILE',
      `${join(lacking, 'vision_model.onnx')}: expected a model file, got ENOENT. Export the pipeline again, or correct model.pipeline.`,
    ]);
    await writeFile(join(lacking, 'vision_model.onnx'), new Uint8Array(100).fill(7));
    const [code, message] = await faultOf(() =>
      openDualEncoder(engine, lacking, { tokenizer, batchSize: 1, imageShape: TINY_IMAGE }),
    );
    expect(code).toBe('TRIB_MODEL');
    expect(message).toContain(`${join(lacking, 'vision_model.onnx')}: expected a whole ONNX model`);
  });
});

describe('cosine', () => {
  it('should refuse vectors of two models', async () => {
    expect(await faultOf(() => cosine(Float32Array.of(1, 0), Float32Array.of(1)))).toEqual([
      'TRIB_MODEL',
      'cosine: expected two vectors of one length, got 2 and 1 numbers. Take both halves of the reward model from one export.',
    ]);
  });
});

describe('meanPairwiseDistance', () => {
  const [east, north, west] = [
    [1, 0],
    [0, 1],
    [-1, 0],
  ].map((values) => Float32Array.from(values)) as [Float32Array, Float32Array, Float32Array];

  it('should be the mean of 1 - cosine over all pairs', () => {
    expect(meanPairwiseDistance([east, east])).toBe(0);
    expect(meanPairwiseDistance([east, north, west])).toBeCloseTo((1 + 2 + 1) / 3, 12);
  });

  it('should be 0 for fewer than two, and leave out what is not finite', () => {
    expect(meanPairwiseDistance([])).toBe(0);
    expect(meanPairwiseDistance([east])).toBe(0);
    expect(meanPairwiseDistance([east, Float32Array.of(Number.NaN, 0), west])).toBe(2);
  });
});
