/**
 * @file Textual inversions against diffusers' `load_textual_inversion`: token ids, text embeddings and pictures
 * (tools/reference/textual_inversions.py); and the files that are refused.
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { embeddingPlace } from '../../../src/cli/input/options.js';
import { decodeSafetensors, encodeSafetensors } from '../../../src/models/files/safetensors.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { type EmbeddingPlace, readVectors } from '../../../src/models/pipeline/embeddings/embedding-file.js';
import { fitEmbeddings, promptCheck } from '../../../src/models/pipeline/embeddings/fitting-embeddings.js';
import { openPipeline, type Pipeline } from '../../../src/models/pipeline/pipeline.js';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { loadTokenizer } from '../../../src/models/pipeline/tokenizers/tokenizer.js';
import { initialParameters } from '../../../src/models/policy/adapter-parameters.js';
import { drawPictures, furthestFrom } from '../../fixtures/draw-pictures.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { TINY_SAMPLER } from '../../fixtures/open-tiny.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const FIXTURES = 'test/fixtures/textual-inversions';
const LORA = { pattern: 'attn[12]/to_q', rank: 1, alpha: 1 };

interface About {
  readonly prompts: readonly string[];
  readonly drawn: readonly string[];
  readonly negative: string;
  readonly numSteps: number;
  readonly seed: number;
}

const folderOf = (name: string) => `test/fixtures/stable-diffusion/${name}`;
const placesFor = (name: string): EmbeddingPlace[] => [
  // Diffusers' own form has its token in the file; web UIs' has it in the file's name.
  { path: `${FIXTURES}/${name}/cat.safetensors`, token: name === 'sd1' ? null : '<cat>' },
  { path: `${FIXTURES}/${name}/dog.safetensors`, token: null },
  { path: `${FIXTURES}/${name}/bad-art.safetensors`, token: null },
];

async function draw(pipeline: Pipeline, { drawn: prompts, ...rest }: About) {
  const denoiser = await openDenoiser(sharedEngine(), pipeline, { lora: LORA, rows: [prompts.length] });
  await denoiser.usePolicy(initialParameters(denoiser.adapters, LORA, 1));
  const drawing = { ...rest, prompts, guidanceScale: 3, eta: 1 };
  const images = await drawPictures(pipeline, denoiser, drawing, TINY_SAMPLER.noiseFor);
  await denoiser.release();
  return images;
}

describe.each(['sd1', 'sdxl'])('textual inversions of %s', (name) => {
  const path = `${FIXTURES}/${name}/expected.safetensors`;
  const { tensors, metadata } = decodeSafetensors(readFileSync(path), path);
  const about = JSON.parse(metadata.about ?? '') as About;
  const wanted = (key: string) => tensors.get(key)?.data as Float32Array;
  let pipeline: Pipeline;
  beforeAll(async () => {
    const options = { embeddings: placesFor(name), negativePrompt: about.negative };
    pipeline = await openPipeline(sharedEngine(), folderOf(name), options);
  });

  it('should give prompts the token ids of diffusers, by every tokenizer', async () => {
    const { textEncoders } = await readPipelineFolder(folderOf(name));
    const { tables } = await fitEmbeddings(textEncoders, placesFor(name));
    for (const [index, { component, tokenizer }] of textEncoders.entries()) {
      const known = loadTokenizer(tokenizer).withTokens(tables.get(component) ?? []);
      const ids = about.prompts.flatMap((prompt) => [...known.encode(prompt)]);
      const recorded = tensors.get(index === 0 ? 'ids' : 'ids2')?.data as BigInt64Array;
      expect(ids).toEqual([...recorded].map(Number));
    }
  });

  it('should embed prompts as diffusers does', async () => {
    const [size, pooled] = [wanted('embeds').length / about.prompts.length, tensors.get('pooled')?.data];
    for (const [index, prompt] of about.prompts.entries()) {
      const row = await pipeline.embedPrompt(prompt);
      const recorded = [
        ...wanted('embeds').subarray(index * size, (index + 1) * size),
        ...((pooled as Float32Array | undefined)?.subarray(index * 20, (index + 1) * 20) ?? []),
      ];
      expect(row).toHaveLength(recorded.length);
      const furthest = recorded.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - (row[i] ?? 9))),
        0,
      );
      expect(furthest).toBeLessThan(1e-4);
    }
  });

  it('should draw what diffusers draws, with a token in the negative prompt', async () => {
    const images = await draw(pipeline, about);
    const [, height, width] = await pipeline.imageShape();
    expect(furthestFrom(wanted('pictures'), images, height * width)).toBeLessThan(1 / 255);
    expect(furthestFrom(wanted('plain'), images, height * width)).toBeGreaterThan(10 / 255);
  });
});

it('should say which text encoder reads a token as text', async () => {
  const { textEncoders } = await readPipelineFolder(folderOf('sdxl'));
  const { notes } = await fitEmbeddings(textEncoders, placesFor('sdxl'));
  expect(notes).toEqual([
    `${FIXTURES}/sdxl/dog.safetensors: "<dog>" has vectors for text_encoder alone, and text_encoder_2 reads it as text; a file for that one may bear the same token`,
  ]);
});

describe('files that are refused', () => {
  const table = (...shape: number[]) => ({
    dtype: 'F32' as const,
    shape,
    data: new Float32Array(shape.reduce((product, size) => product * size, 1)),
  });
  async function written(tensors: Readonly<Record<string, ReturnType<typeof table>>>, name = 'toy') {
    const path = join(await temporaryFolder(), `${name}.safetensors`);
    await writeFile(path, encodeSafetensors({ tensors: new Map(Object.entries(tensors)), metadata: {} }));
    return path;
  }
  const check = async (model: string, ...paths: string[]) =>
    faultOf(() => promptCheck(folderOf(model), paths.map(embeddingPlace)));

  it.each([
    [
      'sd1',
      { emb_params: table(2, 768) },
      /toy.*"emb_params": expected vectors of 16 for text_encoder, got 768, as for SD 1.x/,
    ],
    [
      'sdxl',
      { '<toy>': table(1, 1024) },
      /16 for text_encoder or 24 for text_encoder_2, got 1024, as for SD 2.x/,
    ],
    [
      'sdxl',
      { clip_l: table(1, 16), clip_g: table(1, 1280) },
      /"clip_g": .* 24 for text_encoder_2, got 1280/,
    ],
    ['sd1', { clip_l: table(1, 16), clip_g: table(1, 24) }, /the one text encoder .* SDXL has/],
    ['sd1', { emb_params: table(76, 16) }, /expected at most 75 vectors for "toy", .* got 76/],
    ['sd1', { emb_params: table(1, 2, 16) }, /expected \[vectors, width\], got \[1, 2, 16\]/],
    ['sd1', { a: table(16), b: table(16) }, /got "a", "b". Save each token in a file of its own/],
    ['sd1', { 'unet.x.lora_A.weight': table(1, 2) }, /got an adapter .* Name it with --lora/],
    ['sd1', { 'model.diffusion_model.x': table(1), y: table(1) }, /got a checkpoint .* as the pipeline/],
    ['sdxl', { clip_l: table(16), clip_g: table(24), t5: table(9) }, /another text encoder \(tensor "t5"\)/],
    ['sd1', {}, /got no tensors/],
  ])('should name what does not fit %s', async (model, tensors, message) => {
    expect(await check(model, await written(tensors))).toEqual([
      'TRIB_MODEL',
      expect.stringMatching(message),
    ]);
  });

  it('should refuse a token of the vocabulary, and one that two files have', async () => {
    const path = await written({ emb_params: table(2, 16) });
    const message = expect.stringMatching(/expected a new token, got "a<\/w>", which is in the vocabulary/);
    expect(await check('sd1', `a</w>=${path}`)).toEqual(['TRIB_MODEL', message]);
    const [, twice] = await check('sd1', path, path);
    expect(twice).toContain(`got "toy", which is in ${path}. Give it another one: <token>=<file>`);
    expect(
      (await promptCheck(folderOf('sd1'), [path, `toy-b=${path}`].map(embeddingPlace)))('toy-b toy'),
    ).toBeUndefined();
  });

  it('should never read a pickle, and refuse numbers that are not finite', async () => {
    expect(await check('sd1', 'EasyNegative.pt')).toEqual([
      'TRIB_MODEL',
      expect.stringMatching(/^EasyNegative.pt: expected a textual inversion as safetensors, got a pickle/),
    ]);
    const bad = table(1, 16);
    bad.data[3] = Number.NaN;
    const path = await written({ emb_params: bad });
    const read = { path, tensor: 'emb_params', token: 'x', encoder: null, count: 1, width: 16 };
    expect(await faultOf(() => readVectors(read))).toEqual([
      'TRIB_MODEL',
      expect.stringContaining('got NaN'),
    ]);
  });

  it('should refuse a model whose tokenizer is not of CLIP', async () => {
    const tokenizer = loadTokenizer('models/shapes/tokenizer');
    const inversion = { token: 'toy', count: 1, path: 'toy.safetensors' };
    expect(await faultOf(async () => tokenizer.withTokens([inversion]))).toEqual([
      'TRIB_MODEL',
      expect.stringMatching(/^toy.safetensors: expected a model with a tokenizer of CLIP.* WordTokenizer/),
    ]);
  });

  it('should give a token all of its vectors, in whatever letters it is written', () => {
    const own = loadTokenizer(`${folderOf('sd1')}/tokenizer`);
    const known = own.withTokens([{ token: 'EasyNegative', count: 3, path: 'EasyNegative.safetensors' }]);
    const first = known.addedTokens.get('EasyNegative') ?? 0;
    for (const prompt of ['EasyNegative', 'easynegative'])
      expect([...known.encode(prompt).subarray(1, 4)]).toEqual([first, first + 1, first + 2]);
  });
});
