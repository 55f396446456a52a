import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { readClipTextConfig } from '../../../src/models/networks/clip-text-model.js';
import { requireFittingTokenizer } from '../../../src/models/pipeline/fitting-tokenizer.js';
import { loadTokenizer } from '../../../src/models/pipeline/tokenizers/tokenizer.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

let folder: string;
let tokenizer: string;
let configPath: string;
let vocabSize: number;

beforeEach(async () => {
  folder = await temporaryFolder();
  [tokenizer, configPath] = [join(folder, 'tokenizer'), join(folder, 'text_encoder/config.json')];
  for (const part of ['tokenizer', 'text_encoder'])
    await cp(`test/fixtures/stable-diffusion/sd1/${part}`, join(folder, part), { recursive: true });
  vocabSize = JSON.parse(await readFile(configPath, 'utf8')).vocab_size;
});

const add = (count: number) =>
  writeFile(
    join(tokenizer, 'added_tokens.json'),
    JSON.stringify(
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`<toy-${n}>`, vocabSize + n])),
    ),
  );

async function change(fields: Readonly<Record<string, unknown>>) {
  await writeFile(
    configPath,
    JSON.stringify({ ...JSON.parse(await readFile(configPath, 'utf8')), ...fields }),
  );
}

const check = async () =>
  requireFittingTokenizer(loadTokenizer(tokenizer), {
    component: 'text_encoder',
    modelPath: join(folder, 'text_encoder/model.safetensors'),
    tokenizer,
    views: null,
    architecture: await readClipTextConfig(configPath),
  });

const checkGraph = () =>
  requireFittingTokenizer(loadTokenizer(tokenizer), {
    component: 'text_encoder',
    modelPath: join(folder, 'text_encoder/model.onnx'),
    tokenizer,
    views: null,
    architecture: null,
  });

describe('requireFittingTokenizer', () => {
  it('should name the textual inversions that the text encoder has no rows for', async () => {
    await add(7);
    await change({ vocab_size: vocabSize + 1 });
    const [code, message] = await faultOf(check);
    expect(code).toBe('TRIB_MODEL');
    const named = [1, 2, 3, 4, 5].map((n) => `"<toy-${n}>" (${vocabSize + n})`).join(', ');
    expect(message).toBe(
      `${tokenizer} added tokens: expected ids below ${vocabSize + 1}, the vocab_size in ${configPath}, got ${named} and 1 more. Take the tokens out of the tokenizer's files and name the files of their vectors in model.embeddings, or save the pipeline with diffusers after load_textual_inversion, which gives the text encoder a row for each token.`,
    );
    await change({ vocab_size: vocabSize + 7 });
    await check();
  });

  it('should check an ONNX graph where its config.json lies beside it', async () => {
    await checkGraph();
    await change({ max_position_embeddings: 76 });
    expect(await faultOf(checkGraph)).toEqual([
      'TRIB_MODEL',
      `${tokenizer}: expected at most 76 tokens out of ${vocabSize}, as ${configPath} says, got 77 out of ${vocabSize}. Use the tokenizer that belongs to the text encoder.`,
    ]);
    await rm(configPath);
    await checkGraph();
  });
});
