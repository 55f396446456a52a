import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startUploadHub } from '../../fixtures/hub-upload-server.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { undisturbedTiny } from '../../fixtures/undisturbed-tiny.js';
import { callCli } from '../call-cli.js';

it('should push adapter, card and pictures of a run, and nothing of one without an adapter', async () => {
  const hub = await startUploadHub();
  const env = { HF_ENDPOINT: hub.url, HF_TOKEN: 'hf_secretsecret' };
  const run = join(await temporaryFolder(), 'tiny');
  await (await undisturbedTiny()).copyWhole(run);

  const pushed = await callCli(['push', run, 'owner/name', '--base', 'a/b', '--license', 'mit'], { env });
  expect(pushed).toEqual({ code: 0, stdout: `${hub.url}/owner/name\n`, stderr: '' });
  const adapter = 'pytorch_lora_weights.safetensors';
  expect([...hub.committed.keys()].sort()).toEqual(['README.md', 'after.png', 'before.png', adapter]);
  expect(hub.committed.get(adapter)).toEqual(await readFile(join(run, adapter)));
  expect(hub.committed.get('README.md')?.toString()).toContain('base_model: a/b');

  const refused = async (...words: string[]) => {
    const { code, stderr } = await callCli(['push', ...words], { env });
    expect(code).toBe(2);
    return stderr;
  };
  expect(await refused(run, 'owner/name', '--base', './sd15')).toContain(
    '--base "./sd15": expected owner/name',
  );
  expect(await refused(run, 'owner/name', '--license', 'MIT!')).toContain(
    '--license "MIT!": expected the hub',
  );
  expect(await refused(`${run}-2`, 'owner/name')).toContain(
    `${run}-2: expected the folder of a run, got one without`,
  );

  await rm(join(run, adapter));
  const none = await callCli(['push', run, 'owner/name'], { env });
  expect(none.code).toBe(1);
  expect(none.stderr).toContain('expected the adapter of a run that ended or was stopped, got no such file');
});
