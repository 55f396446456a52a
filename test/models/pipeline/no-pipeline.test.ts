/** @file What is said of paths that people take for a pipeline folder, and of folders whose files were not fetched. */

import { cp, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { readJsonFile } from '../../../src/models/files/json-file.js';
import { openSafetensors } from '../../../src/models/files/safetensors-file.js';
import { decodeModel } from '../../../src/models/graph/onnx/decode.js';
import { objectOf } from '../../../src/models/networks/config-fields.js';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { loadTokenizer } from '../../../src/models/pipeline/tokenizers/tokenizer.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const POINTER = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 3438167540\n';
const COMMIT = '451f4fe16113bff5a5d2269ed5ad43b0592e9a14';
const WEIGHTS = 'unet/diffusion_pytorch_model.safetensors';

/** A copy of sd1/ that is changed: `put` writes a file, `drop` removes one. */
async function changed(
  change: (
    put: (name: string, text?: string) => Promise<void>,
    drop: (name: string) => Promise<void>,
    folder: string,
  ) => Promise<void>,
): Promise<string> {
  const folder = join(await temporaryFolder(), 'sd1');
  await cp('test/fixtures/stable-diffusion/sd1', folder, { recursive: true });
  await change(
    async (name, text = '') => {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), text);
    },
    (name) => rm(join(folder, name), { recursive: true }),
    folder,
  );
  return folder;
}

async function message(path: string): Promise<string> {
  const [code, text] = await faultOf(() => readPipelineFolder(path));
  expect(code).toBe('TRIB_MODEL');
  return text.replaceAll(path, '.');
}

it('should name a model of the hub that was not fetched, and a path that is none', async () => {
  const nowhere = join(await temporaryFolder(), 'runwayml/stable-diffusion-v1-5');
  expect(await message(nowhere)).toBe(
    '.: expected a pipeline folder with model_index.json, got no such folder. If it is a model of the hub, run npx tributary fetch runwayml/stable-diffusion-v1-5 and name models/stable-diffusion-v1-5.',
  );
  expect(await message(dirname(nowhere))).toContain('got no such folder. Export the model');
});

it('should say of a checkpoint in one file why it is not there', async () => {
  const folder = await temporaryFolder();
  const file = join(folder, 'model.safetensors');
  expect(await message(file)).toBe(
    '.: expected a checkpoint in one file, got no such file. Correct the path.',
  );
  await symlink(join(folder, 'blobs/abc'), file);
  expect(await message(file)).toContain(`got a link to ${join(folder, 'blobs/abc')}, which is not there.`);
  await writeFile(`${file}.part`, '');
  expect(await message(file)).toContain('got model.safetensors.part, an unfinished download.');
});

it('should name the snapshot of a cache of the hub, wherever in the cache the path ends', async () => {
  const cache = join(await temporaryFolder(), 'hub');
  const model = join(cache, 'models--stabilityai--sdxl-turbo');
  await mkdir(join(model, 'refs'), { recursive: true });
  await writeFile(join(model, 'refs/main'), `${COMMIT}\n`);
  expect(await message(model)).toContain(
    'got a cache of the hub without a snapshot. Run hf download stabilityai/sdxl-turbo, or npx tributary fetch stabilityai/sdxl-turbo.',
  );
  await mkdir(join(model, 'snapshots/00000'), { recursive: true });
  await mkdir(join(model, 'snapshots', COMMIT));
  const named = `Name the folder of a commit: ${join(model, 'snapshots', COMMIT)}.`;
  for (const path of [model, join(model, 'snapshots'), join(model, 'blobs'), join(model, 'refs/main')]) {
    await mkdir(join(model, 'blobs'), { recursive: true });
    const [, text] = await faultOf(() => readPipelineFolder(path));
    expect(text).toContain(named);
  }
  expect(await message(cache)).toContain(
    'got a cache of the hub with 1 models. Name one, such as ./models--',
  );
  await symlink('../../blobs/93f2', join(model, 'snapshots', COMMIT, 'model_index.json'));
  await writeFile(join(model, 'blobs/93f2.incomplete'), '');
  expect(await message(join(model, 'snapshots', COMMIT))).toContain(
    'got 93f2.incomplete, an unfinished download. Run hf download again: it resumes.',
  );
});

it('should name what else a folder is', async () => {
  const folder = await changed(async () => {});
  expect(await message(join(folder, 'unet'))).toContain(
    `got its part "unet". Name the folder above: ${folder}.`,
  );
  expect(await message(dirname(folder))).toContain('got a folder with "sd1" in it. Name that one: ./sd1.');
  const files = await temporaryFolder();
  await writeFile(join(files, 'dreamshaper_8.safetensors'), '');
  expect(await message(files)).toContain('got dreamshaper_8.safetensors. Name the file itself if');
  await writeFile(join(files, 'adapter_model.safetensors'), '');
  expect(await message(files)).toContain('got an adapter. Name the folder of its base');
});

it('should name the refiner of SDXL', async () => {
  const folder = join(await temporaryFolder(), 'sdxl');
  await cp('test/fixtures/stable-diffusion/sdxl', folder, { recursive: true });
  const path = join(folder, 'model_index.json');
  const index = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...index, text_encoder: [null, null], tokenizer: [null, null] }));
  expect(await message(folder)).toContain(
    './model_index.json text_encoder: expected [library, class], got a refiner of SDXL, which has text_encoder_2 alone',
  );
});

it.each([
  ['unet/diffusion_pytorch_model.safetensors.partial', 'Run npx tributary fetch again: it resumes.'],
  ['unet/diffusion_pytorch_model.safetensors.aria2', 'Run aria2c again with -c.'],
  ['unet/diffusion_pytorch_model.safetensors.crdownload', 'Download it again.'],
  ['.cache/huggingface/download/unet/Jx3.9f2a.incomplete', 'Run hf download again: it resumes.'],
])('should name an unfinished download: %s', async (name, nextStep) => {
  const folder = await changed(async (put, drop) => {
    await drop(WEIGHTS);
    await put('unet/diffusion_pytorch_model.bin');
    await put(name);
    if (name.startsWith('.cache')) await drop('unet/diffusion_pytorch_model.bin');
  });
  const text = await message(folder);
  expect(text).toContain(`./${WEIGHTS}: expected whole weights, got `);
  expect(text).toContain(`an unfinished download. ${nextStep}`);
});

it('should not take a file that aria2 has made as large as it will be for whole', async () => {
  const folder = await changed((put) => put(`${WEIGHTS}.aria2`));
  expect(await message(folder)).toContain('.aria2, an unfinished download. Run aria2c again with -c.');
});

it('should name a pointer of Git LFS, a web page and zeros, whatever the file should be', async () => {
  const folder = await temporaryFolder();
  const cases = [
    [POINTER, 'got a pointer of Git LFS instead of the file. Run "git lfs install && git lfs pull"'],
    [
      '<!DOCTYPE html>\n<html>',
      'got a web page instead of the file. Download it from the address with "resolve"',
    ],
    ['\0'.repeat(64), 'got zeros, which an unfinished download has left room with. Run the download again.'],
  ] as const;
  for (const [content, text] of cases) {
    const path = join(folder, 'file');
    await writeFile(path, content);
    const json = { code: 'TRIB_MODEL', nextStep: '' } as const;
    for (const read of [
      () => openSafetensors(path),
      () => readJsonFile(path, objectOf({}), json),
      async () => decodeModel(new TextEncoder().encode(content), path),
    ]) {
      const [, found] = await faultOf(read);
      expect(found).toContain(text);
    }
    await mkdir(join(folder, 'tokenizer'), { recursive: true });
    await writeFile(join(folder, 'tokenizer/tokenizer.json'), content);
    await writeFile(join(folder, 'tokenizer/tokenizer_config.json'), '{"tokenizer_class": "CLIPTokenizer"}');
    expect(() => loadTokenizer(join(folder, 'tokenizer'))).toThrow(text);
  }
});

it('should name a shard whose download has not ended, and a link whose file is gone', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'model-00002-of-00002.safetensors');
  await writeFile(`${path}.part`, '');
  expect((await faultOf(() => openSafetensors(path)))[1]).toContain('.part, an unfinished download.');
  await rename(`${path}.part`, join(folder, 'other'));
  await symlink('blobs/aaa', path);
  expect((await faultOf(() => openSafetensors(path)))[1]).toContain(
    `got a link to ${join(folder, 'blobs/aaa')}, which is not there. Run hf download again`,
  );
});
