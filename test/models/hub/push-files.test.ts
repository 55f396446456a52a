import { describe, expect, it } from 'vitest';
import { pushFiles } from '../../../src/models/hub/push-files.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { startUploadHub } from '../../fixtures/hub-upload-server.js';

const TOKEN = 'hf_secretsecret';
const FILES = { 'README.md': new TextEncoder().encode('# a'), 'a.safetensors': Uint8Array.of(1, 2, 3) };

const optionsOf = (hubUrl: string) => ({
  ...{ id: 'owner/name', files: FILES, isPublic: false, title: 'a run', hubUrl, token: TOKEN },
  signal: new AbortController().signal,
});

describe('pushFiles', () => {
  it('should make a private repository, and commit all files into it', async () => {
    const hub = await startUploadHub();
    await pushFiles(optionsOf(hub.url));
    expect(hub.made).toEqual([{ name: 'name', visibility: 'private' }]);
    expect(hub.committed.get('README.md')?.toString()).toBe('# a');
    expect([...(hub.committed.get('a.safetensors') ?? [])]).toEqual([1, 2, 3]);
    expect([...hub.tokens]).toEqual([`Bearer ${TOKEN}`]);
  });

  it('should go on after a refusal without sending large files again, in a repository that is there', async () => {
    const hub = await startUploadHub();
    hub.refuseCommit(503);
    const [code, message] = await faultOf(() => pushFiles({ ...optionsOf(hub.url), isPublic: true }));
    expect(code).toBe('TRIB_DOWNLOAD');
    expect(message).toContain('got status 503. Run the same command again');
    expect(hub.committed.size).toBe(0);
    hub.refuseCommit(0);
    await pushFiles(optionsOf(hub.url));
    expect(hub.made.map(({ visibility }) => visibility)).toEqual(['public', 'private']);
    expect(hub.sent).toHaveLength(1);
    expect([...hub.committed.keys()].sort()).toEqual(['README.md', 'a.safetensors']);
  });

  it('should ask for a token that may write, and show none', async () => {
    const hub = await startUploadHub();
    const without = await faultOf(() => pushFiles({ ...optionsOf(hub.url), token: null }));
    expect(without).toEqual([
      'TRIB_USAGE',
      `HF_TOKEN: expected a token hf_... that may write, got none. Make one on ${hub.url}/settings/tokens.`,
    ]);
    hub.refuseCommit(403);
    const [, denied] = await faultOf(() => pushFiles(optionsOf(hub.url)));
    expect(denied).toContain('owner/name: expected a token that may write there, got status 403.');
    expect(denied).not.toContain(TOKEN);
  });
});
