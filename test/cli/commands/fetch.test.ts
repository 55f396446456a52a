import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { COMMIT, sendRefusal, startHubServer } from '../../fixtures/hub-server.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { callCli } from '../call-cli.js';
import { runCli } from '../run-cli.js';

const PIPELINE = 'test/fixtures/stable-diffusion/sd2';

async function pipelineContents(): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {};
  for (const path of await readdir(PIPELINE, { recursive: true })) {
    if ((await stat(join(PIPELINE, path))).isFile()) files[path] = await readFile(join(PIPELINE, path));
  }
  return files;
}

test('tributary fetch should write a folder that loads, and fetch nothing when it is run again', async () => {
  const server = await startHubServer({ files: await pipelineContents() });
  const cwd = await temporaryFolder();
  const env = { HF_ENDPOINT: server.url, HF_TOKEN: 'hf_secret' };
  const first = await runCli(['fetch', 'owner/name'], { cwd, env });
  expect(first).toMatchObject({ code: 0, stdout: 'models/name\n' });
  expect(first.stderr).toContain(`owner/name at ${COMMIT}: `);
  expect(first.stderr).not.toContain('hf_secret');
  const { denoiser } = await readPipelineFolder(join(cwd, 'models/name'));
  expect(denoiser.modelPath).toContain('safetensors');

  server.requests.length = 0;
  const second = await runCli(['fetch', 'owner/name', '--out', 'models/name'], { cwd, env });
  expect([second.code, server.reads()]).toEqual([0, []]);
});

test('tributary fetch should refuse a model by its configs, before its weights are asked for', async () => {
  const files = await pipelineContents();
  const unet = JSON.parse(`${files['unet/config.json']}`) as object;
  files['unet/config.json'] = Buffer.from(JSON.stringify({ ...unet, class_embed_type: 'timestep' }));
  const server = await startHubServer({ files });
  const cwd = await temporaryFolder();
  const { code, stdout, stderr } = await runCli(['fetch', 'owner/name'], {
    cwd,
    env: { HF_ENDPOINT: server.url, HF_TOKEN: '' },
  });
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toContain('unet/config.json class_embed_type: expected');
  expect(server.reads().length).toBeGreaterThan(5);
  expect(server.reads().filter((path) => path.endsWith('.safetensors'))).toEqual([]);
});

test('tributary fetch should say in one line what went wrong, with status 1 or 2', async () => {
  const { url } = await startHubServer({
    files: {},
    before: (_, response) => sendRefusal(response, 404, 'RepoNotFound'),
  });
  const cwd = await temporaryFolder();
  const env = { HF_ENDPOINT: url, HF_TOKEN: '' };
  const unknown = await callCli(['fetch', 'owner/other'], { cwd, env });
  const wrong = await callCli(['fetch', 'other'], { cwd, env });
  expect(unknown).toEqual({
    code: 1,
    stdout: '',
    stderr: `error: owner/other: expected a model at ${url}/owner/other, got none (status 404). Check owner and name.\n`,
  });
  expect([wrong.code, wrong.stderr]).toEqual([
    2,
    expect.stringContaining('error: "other": expected owner/name'),
  ]);
  expect(await readdir(cwd)).toEqual([]);
});
