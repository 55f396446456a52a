import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeSafetensors } from '../../../../src/models/files/safetensors.js';
import { readAestheticHead } from '../../../../src/models/rewards/encoders/aesthetic-head.js';
import { openReward } from '../../../../src/models/rewards/index.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { rewardContext, unaborted } from '../../../fixtures/reward-context.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { colored, writeTinyClip } from '../../../fixtures/tiny-clip.js';

const HEAD = 'models/aesthetic/linear-mse.safetensors';
const SHAPE = [3, 16, 16] as const;
const images = [colored([255, 0, 30], SHAPE), colored([0, 9, 255], SHAPE)];

/** Embeddings of length 1, and what PyTorch makes of them with the same head. */
const { cases } = JSON.parse(readFileSync('test/fixtures/aesthetic-scores.json', 'utf8')) as {
  readonly cases: readonly { readonly embedding: number[]; readonly score: number }[];
};

async function headOf(tensors: Readonly<Record<string, readonly number[][] | readonly number[]>>) {
  const path = join(await temporaryFolder(), 'head.safetensors');
  const entries = Object.entries(tensors).map(([name, rows]) => {
    const shape = Array.isArray(rows[0]) ? [rows.length, rows[0].length] : [rows.length];
    return [name, { dtype: 'F32' as const, shape, data: Float32Array.from(rows.flat()) }] as const;
  });
  await writeFile(path, encodeSafetensors({ tensors: new Map(entries), metadata: {} }));
  return path;
}

describe('readAestheticHead', () => {
  it('should score as PyTorch does', async () => {
    const head = await readAestheticHead(HEAD);
    expect([head.width, cases.length]).toEqual([768, 4]);
    for (const { embedding, score } of cases)
      expect(head.score(Float32Array.from(embedding))).toBeCloseTo(score, 4);
  });

  it('should put layers on each other in the order of their numbers', async () => {
    const path = await headOf({
      'layers.10.weight': [[2, -1]],
      'layers.10.bias': [0.5],
      'layers.2.weight': [
        [1, 2, 3],
        [4, 5, 6],
      ],
      'layers.2.bias': [10, 20],
    });
    const head = await readAestheticHead(path);
    // [1, 1, 2] -> [9 + 10, 21 + 20] -> 38 - 41 + 0.5
    expect([head.width, head.score(Float32Array.of(1, 1, 2))]).toEqual([3, -2.5]);
  });

  it('should say what does not fit', async () => {
    const two = await headOf({ 'layers.0.weight': [[1], [2]], 'layers.0.bias': [1, 2] });
    expect(await faultOf(() => readAestheticHead(two))).toEqual([
      'TRIB_MODEL',
      `${two}: expected layers that fit on each other, the last with 1 output, got one of [2, 1]. Use a head with only linear layers.`,
    ]);
    const bare = await headOf({ 'layers.0.weight': [[1]] });
    expect(await faultOf(() => readAestheticHead(bare))).toEqual([
      'TRIB_MODEL',
      `${bare}: expected layers.0.bias in F32, got none. Use a head with only linear layers.`,
    ]);
    expect(await faultOf(() => readAestheticHead('nowhere'))).toEqual([
      'TRIB_FILE',
      'nowhere: expected the aesthetic head, got ENOENT. Correct `head`, or omit it.',
    ]);
  });
});

describe('aesthetic', () => {
  const open = async (width: number) => {
    const model = await writeTinyClip(await temporaryFolder(), { width });
    return openReward({ from: 'aesthetic', model, batchSize: 32 }, rewardContext({ imageShape: SHAPE }));
  };

  it('should put the shipped head on image features, whatever the prompt', async () => {
    const scorer = await open(768);
    const { rewards, features } = await scorer.score({ prompt: 'a', images }, unaborted());
    const head = await readAestheticHead(HEAD);
    // The tiny CLIP's are longer, and those of the head's fixture are not: whether they are divided shows here alone.
    for (const feature of features ?? []) expect(Math.hypot(...feature)).toBeCloseTo(1, 5);
    expect(rewards).toEqual(features?.map((feature) => head.score(feature)));
    expect(rewards[0]).not.toBeCloseTo(rewards[1] ?? 0, 3);
    expect((await scorer.score({ prompt: 'b', images }, unaborted())).rewards).toEqual(rewards);
  });

  it('should refuse another CLIP than ViT-L/14, before a picture is scored', async () => {
    const [code, message] = await faultOf(() => open(3));
    expect(code).toBe('TRIB_MODEL');
    expect(message).toMatch(
      /vision_model\.onnx output "image_embeds": expected features of 768 numbers for the head \S+, got 3\. Use CLIP ViT-L\/14\.$/,
    );
  });
});
