/** @file Folders of CLIP that lack something, read as transformers reads them: tools/reference/folder_readings.py. */

import { readFileSync } from 'node:fs';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors } from '../../../src/models/files/safetensors.js';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { openPromptEncoder } from '../../../src/models/pipeline/prompt-encoder.js';
import { loadTokenizer } from '../../../src/models/pipeline/tokenizers/tokenizer.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

type Keys = Readonly<Record<string, unknown>> | null;
interface EncoderCase {
  readonly folder: string;
  readonly class: string;
  readonly keys: Keys;
  readonly isWhole: boolean;
  readonly state: readonly number[];
}
interface TokenizerCase {
  readonly config: Keys;
  readonly map: Keys;
  readonly padId: number | null;
  readonly length: number | null;
  readonly ids: readonly number[];
}
const { prompt, encoders, tokenizers } = JSON.parse(
  readFileSync('test/fixtures/folder-readings.json', 'utf8'),
) as {
  readonly prompt: string;
  readonly encoders: readonly EncoderCase[];
  readonly tokenizers: readonly TokenizerCase[];
};

async function edit(path: string, keys: Keys): Promise<void> {
  if (keys === null) return rm(path);
  const all = Object.entries({ ...JSON.parse(await readFile(path, 'utf8')), ...keys });
  await writeFile(
    path,
    JSON.stringify(Object.fromEntries(all.filter(([, value]) => value !== '(left out)'))),
  );
}

/** Turns a text encoder into a CLIP of two halves. */
async function makeWhole(folder: string): Promise<void> {
  const path = join(folder, 'config.json');
  const { architectures: _, ...text } = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(
    path,
    JSON.stringify({ model_type: 'clip', architectures: ['CLIPModel'], text_config: text }),
  );
  const name = (await readdir(folder)).find((file) => file.endsWith('.safetensors')) ?? '';
  const { tensors, metadata } = decodeSafetensors(await readFile(join(folder, name)), name);
  const others = ['logit_scale', 'vision_model.pre_layrnorm.weight', 'text_projection.weight'].map(
    (key) => [key, { dtype: 'F32', shape: [1], data: new Float32Array(1) }] as const,
  );
  await writeFile(
    join(folder, name),
    encodeSafetensors({ tensors: new Map([...tensors, ...others]), metadata }),
  );
}

it.each(encoders.map((one) => [one.folder, one.class, JSON.stringify(one.keys), one] as const))(
  'should embed with %s as transformers does, as a %s, with %s',
  async (place, className, _, { keys, isWhole, state }) => {
    const [name = '', component = ''] = place.split('/');
    const folder = join(await temporaryFolder(), name);
    await cp(`test/fixtures/stable-diffusion/${name}`, folder, { recursive: true });
    await edit(join(folder, component, 'config.json'), keys);
    if (isWhole) await makeWhole(join(folder, component));
    await edit(join(folder, 'model_index.json'), { [component]: ['transformers', className] });
    const encoder = await openPromptEncoder(sharedEngine(), await readPipelineFolder(folder));
    const row = await encoder.embed(prompt);
    const [, width] = encoder.embedsShape;
    // The second encoder's columns come last.
    const found = row.subarray(4 * width - state.length, 4 * width);
    for (const [index, value] of state.entries()) expect(found[index]).toBeCloseTo(value, 4);
    await encoder.release();
  },
);

it.each(tokenizers.map((one) => [JSON.stringify(one.config), JSON.stringify(one.map), one] as const))(
  'should read a tokenizer_config.json with %s and a special_tokens_map.json with %s',
  async (_, __, { config, map, padId, length, ids }) => {
    const folder = join(await temporaryFolder(), 'tokenizer');
    await cp('test/fixtures/stable-diffusion/sd1/tokenizer', folder, { recursive: true });
    await edit(join(folder, 'tokenizer_config.json'), config);
    await edit(join(folder, 'special_tokens_map.json'), map);
    const tokenizer = loadTokenizer(folder);
    expect([...tokenizer.encode(prompt)].slice(0, ids.length)).toEqual(ids);
    // What diffusers cannot pad, with or to, is padded as CLIP is: with the end of text, to 77.
    expect(tokenizer.padTokenId).toBe(padId ?? ids.at(-1));
    expect(tokenizer.modelMaxLength).toBe(length ?? 77);
  },
);

it('should say where no class is named', async () => {
  const folder = join(await temporaryFolder(), 'sd1');
  await cp('test/fixtures/stable-diffusion/sd1', folder, { recursive: true });
  const path = join(folder, 'text_encoder/config.json');
  await edit(path, { architectures: '(left out)' });
  await edit(join(folder, 'model_index.json'), { text_encoder: ['tributary', 'OnnxGraph'] });
  const [code, message] = await faultOf(() => readPipelineFolder(folder));
  expect(code).toBe('TRIB_MODEL');
  expect(message).toContain(
    `${path} architectures: expected CLIPTextModel or CLIPTextModelWithProjection, got none here and "OnnxGraph" in model_index.json.`,
  );
});
