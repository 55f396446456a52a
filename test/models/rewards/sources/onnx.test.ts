import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { concat } from '../../../../src/models/graph/ops/expression.js';
import { loadTokenizer } from '../../../../src/models/pipeline/tokenizers/tokenizer.js';
import { onnxReward } from '../../../../src/models/rewards/sources/onnx.js';
import { shapesTokenizerFiles } from '../../../../src/models/shapes/prompts/shapes-files.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { rewardContext, unaborted } from '../../../fixtures/reward-context.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import {
  CLIP_SIZE,
  channelMeans,
  colored,
  cosineOf,
  onnxFile,
  promptVector,
  tokenSums,
} from '../../../fixtures/tiny-clip.js';

const SHAPE = [3, 16, 16] as const;
const COLORS = [
  [255, 0, 30],
  [10, 200, 255],
  [90, 91, 92],
];
const images = COLORS.map((levels) => colored(levels, SHAPE));
const PROMPT = 'a red circle';
type Build = (
  g: GraphBuilder,
  sizes: { tokens: number; vocabSize: number },
) => Readonly<Record<string, Expression>>;
type Settings = Parameters<typeof onnxReward.create>[0];

/** Means of the channels times sums of the tokens: one number a picture. */
const scored: Build = (g, sizes) => {
  const product = channelMeans(g).mul(tokenSums(g, { ...sizes, type: 'int32' }));
  return { score: product.reduceSum([1]) };
};

const plainImage = {
  from: 'image' as const,
  size: CLIP_SIZE,
  fit: 'crop' as const,
  filter: 'bicubic' as const,
  mean: [0, 0, 0] as [number, number, number],
  std: [1, 1, 1] as [number, number, number],
};
const allInputs = (tokenizer: string): Settings['inputs'] => ({
  pixel_values: plainImage,
  input_ids: { from: 'token-ids', tokenizer },
  attention_mask: { from: 'attention-mask', tokenizer },
});

async function open(
  build: Build,
  own: Partial<Settings> = {},
  { fixed = false }: { readonly fixed?: boolean } = {},
) {
  const folder = await temporaryFolder();
  for (const [name, content] of Object.entries(shapesTokenizerFiles()))
    await writeFile(join(folder, name), content);
  const { modelMaxLength: tokens, vocabSize } = loadTokenizer(folder);
  const model = join(folder, 'reward.onnx');
  await writeFile(
    model,
    onnxFile((g) => build(g, { tokens, vocabSize }), { fixed }),
  );
  const settings: Settings = {
    model,
    inputs: allInputs(folder),
    score: { from: 'output', output: 'score' },
    scale: 1,
    batchSize: 2,
    ...own,
  };
  return { folder, model, scorer: await onnxReward.create(settings, rewardContext({ imageShape: SHAPE })) };
}
const rewardsOf = async ({ scorer }: Awaited<ReturnType<typeof open>>) =>
  (await scorer.score({ prompt: PROMPT, images }, unaborted())).rewards;

describe('onnx', () => {
  it('should feed what is declared, and read the score', async () => {
    const opened = await open(scored, { scale: -2 });
    const wanted = promptVector(opened.folder, PROMPT);
    const rewards = await rewardsOf(opened);
    for (const [index, levels] of COLORS.entries()) {
      const product = levels.reduce((sum, level, c) => sum + (level / 255) * (wanted[c] ?? 0), 0);
      expect(rewards[index]).toBeCloseTo(-2 * product, 3);
    }
    expect(opened.scorer.runsOn?.provider).toBe('cpu');
  });

  it('should give the same in batches of a fixed size', async () => {
    const both: Build = (g, sizes) => {
      const means = channelMeans(g, { rows: 2 });
      const sums = tokenSums(g, { ...sizes, rows: 2 });
      return { score: means.mul(sums).reduceSum([1], false) };
    };
    expect(await rewardsOf(await open(both, {}, { fixed: true }))).toEqual(
      await rewardsOf(await open(scored)),
    );
  });

  it.each(['float64', 'float16', 'int64', 'int32'] as const)(
    'should read a score that is %s as numbers',
    async (type) => {
      const sum = (g: GraphBuilder) => channelMeans(g).reduceSum([1], false);
      const inputs = { pixel_values: plainImage };
      const rewards = await rewardsOf(await open((g) => ({ score: sum(g).mul(100).cast(type) }), { inputs }));
      for (const [index, levels] of COLORS.entries()) {
        const exact = levels.reduce((total, level) => total + level, 0) / 2.55;
        expect(Math.abs((rewards[index] ?? 0) - exact)).toBeLessThan(type.startsWith('int') ? 1 : 0.2);
        expect(Number.isInteger(rewards[index])).toBe(type.startsWith('int'));
      }
    },
  );

  it('should take the cosine of two outputs, with its features', async () => {
    const opened = await open((g, sizes) => ({ image: channelMeans(g), words: tokenSums(g, sizes) }), {
      score: { from: 'cosine', image: 'image', text: 'words' },
      scale: 100,
    });
    const { rewards, features } = await opened.scorer.score({ prompt: PROMPT, images }, unaborted());
    const wanted = promptVector(opened.folder, PROMPT);
    for (const [index, levels] of COLORS.entries()) {
      expect(rewards[index]).toBeCloseTo(100 * cosineOf(levels, wanted), 3);
      expect(Math.hypot(...(features?.[index] ?? []))).toBeCloseTo(1, 5);
    }
  });

  it('should normalize by mean and std, and stretch', async () => {
    const inputs = {
      pixel_values: {
        ...plainImage,
        fit: 'stretch' as const,
        mean: [0.5, 0, 0] as [number, number, number],
        std: [1, 2, 1] as [number, number, number],
      },
    };
    const sum: Build = (g) => ({ score: channelMeans(g).reduceSum([1], false) });
    const rewards = await rewardsOf(await open(sum, { inputs }));
    for (const [index, [r = 0, green = 0, b = 0]] of COLORS.entries())
      expect(rewards[index]).toBeCloseTo(r / 255 - 0.5 + green / 510 + b / 255, 5);
  });

  it.each<[string, Build, (tokenizer: string) => Partial<Settings>, string]>([
    [
      'an input of another name',
      scored,
      () => ({ inputs: { pixels: plainImage } }),
      'inputs: expected pixels, got pixel_values, input_ids, attention_mask.',
    ],
    [
      'inputs that nothing is said of',
      scored,
      () => ({ inputs: { pixel_values: plainImage } }),
      'inputs: expected each to be declared, got none for input_ids, attention_mask. Add them to `inputs`.',
    ],
    [
      'another size',
      scored,
      (tokenizer) => ({ inputs: { ...allInputs(tokenizer), pixel_values: { ...plainImage, size: 9 } } }),
      'input "pixel_values": expected pictures of [3, 9, 9] as `size` makes them, got a graph for [3, 8, 8].',
    ],
    [
      'an output of another name',
      scored,
      () => ({ score: { from: 'output', output: 'logits' } }),
      'outputs: expected logits, got score.',
    ],
  ])('should refuse %s', async (_, build, own, words) => {
    const tokenizer = await temporaryFolder();
    for (const [name, content] of Object.entries(shapesTokenizerFiles()))
      await writeFile(join(tokenizer, name), content);
    const [code, message] = await faultOf(() => open(build, own(tokenizer)));
    expect(code).toBe('TRIB_MODEL');
    expect(message).toContain(words);
  });

  it.each<[string, Build, string]>([
    [
      'a vector for all prompts together',
      (g, sizes) => ({ image: channelMeans(g), words: tokenSums(g, sizes).reduceSum([0], false) }),
      'output "words": expected [2, D], one vector per row, got [3].',
    ],
    [
      'a vector for each of many places',
      (g, sizes) => ({ image: channelMeans(g).unsqueeze([2]), words: tokenSums(g, sizes) }),
      'output "image": expected [2, D], one vector per row, got [2, 3, 1].',
    ],
  ])('should refuse features that are not one vector a picture: %s', async (_, build, words) => {
    const opened = await open(build, { score: { from: 'cosine', image: 'image', text: 'words' } });
    const [code, message] = await faultOf(() => rewardsOf(opened));
    expect(code).toBe('TRIB_MODEL');
    expect(message).toContain(`${opened.model} ${words}`);
  });

  it('should refuse features of two widths, before a picture is scored', async () => {
    const build: Build = (g, sizes) => {
      const means = channelMeans(g);
      return { image: concat([means, means], 1), words: tokenSums(g, sizes) };
    };
    const [code, message] = await faultOf(() =>
      open(build, { score: { from: 'cosine', image: 'image', text: 'words' } }),
    );
    expect(code).toBe('TRIB_MODEL');
    expect(message).toContain('output "image": expected 3 numbers as "words" of');
  });

  it('should refuse an output that is not one number a picture', async () => {
    const opened = await open((g, sizes) => ({ score: channelMeans(g).mul(tokenSums(g, sizes)) }));
    expect(await faultOf(() => rewardsOf(opened))).toEqual([
      'TRIB_MODEL',
      `${opened.model} output "score": expected 2 numbers, one per picture, got [2, 3]. Name the output that is the score.`,
    ]);
  });
});
