import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type FetchOptions, type FetchProgress, fetchModel } from '../../../src/models/hub/fetch-model.js';
import { faultOf } from '../../fixtures/fault-of.js';
import {
  COMMIT,
  type HubServer,
  type HubServerOptions,
  sendBytes,
  sendCut,
  sendRefusal,
  startHubServer,
} from '../../fixtures/hub-server.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const UNET = 'unet/diffusion_pytorch_model.safetensors';
const WEIGHTS = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7 + (index >> 8)) % 256));
const FILES = {
  'README.md': 'a model',
  'model_index.json': '{}',
  'scheduler/scheduler_config.json': '{"a":1}',
  'text_encoder/config.json': '{"b":2}',
  'text_encoder/model.safetensors': WEIGHTS.subarray(0, 5000),
  'tokenizer/vocab.json': '',
  'unet/config.json': '{"c":3}',
  [UNET]: WEIGHTS,
};
const WANTED = Object.keys(FILES).filter((path) => path !== 'README.md');

async function setUp(options: Partial<HubServerOptions> = {}) {
  const server = await startHubServer({ files: FILES, ...options });
  const out = await temporaryFolder();
  const progress: FetchProgress[] = [];
  const fetch = (more: Partial<FetchOptions> = {}) =>
    fetchModel({
      id: 'owner/name',
      revision: 'main',
      hubUrl: server.url,
      token: null,
      signal: new AbortController().signal,
      out,
      variant: null,
      all: false,
      retryDelayMs: 0,
      onProgress: (one) => progress.push(one),
      checkConfigs: async () => undefined,
      ...more,
    });
  return { server, out, progress, fetch };
}

async function contents(folder: string): Promise<Record<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const read = async (path: string) => [path.slice(folder.length + 1), await readFile(path)] as const;
  return Object.fromEntries(await Promise.all(paths.map(read)));
}

const wanted = Object.fromEntries(
  WANTED.map((path) => [path, Buffer.from(FILES[path as keyof typeof FILES])]),
);
const digests = (files: Readonly<Record<string, Buffer>>) =>
  Object.fromEntries(
    Object.entries(files).map(([path, bytes]) => [path, createHash('sha256').update(bytes).digest('hex')]),
  );
/** By their digests, as comparing every byte of an array takes a second. */
const expectWanted = async (folder: string) =>
  expect(digests(await contents(folder))).toEqual(digests(wanted));
const isRead = (path: string, name: string) => path.endsWith(`/resolve/${COMMIT}/${name}`);
const readsOf = (server: HubServer, name: string) => server.reads().filter((read) => read.startsWith(name));

describe('fetchModel', () => {
  test('should fetch the files of a pipeline folder, from a list of several pages', async () => {
    const { out, progress, fetch } = await setUp({ pageSize: 3 });
    const totalBytes = Object.values(wanted).reduce((sum, { length }) => sum + length, 0);
    expect(await fetch()).toEqual({ commit: COMMIT, numFiles: 7, numKept: 0, totalBytes });
    await expectWanted(out);
    expect(progress.at(-1)).toEqual({ path: UNET, state: 'whole', bytes: totalBytes, totalBytes });
  });

  test('should fetch everything with `all`', async () => {
    const { out, fetch } = await setUp();
    await fetch({ all: true });
    expect(Object.keys(await contents(out)).sort()).toEqual(Object.keys(FILES).sort());
  });

  test('should have the configs checked before it asks for weights, and stop if they are refused', async () => {
    const { server, out, fetch } = await setUp();
    const refused = new Error('another architecture');
    let announced: ReadonlySet<string> = new Set();
    const checkConfigs = async (files: ReadonlySet<string>) => {
      announced = files;
      throw refused;
    };
    await expect(fetch({ checkConfigs })).rejects.toBe(refused);
    const configs = WANTED.filter((path) => path.endsWith('.json')).sort();
    expect(server.reads().filter((path) => path.endsWith('.safetensors'))).toEqual([]);
    expect([...announced].sort()).toEqual([...WANTED].sort());
    expect(Object.keys(await contents(out)).sort()).toEqual(configs);
  });

  test('should check nothing with `all`', async () => {
    const { fetch } = await setUp();
    const checkConfigs = () => Promise.reject(new Error('called'));
    expect(await fetch({ all: true, checkConfigs })).toMatchObject({ numFiles: Object.keys(FILES).length });
  });

  test('should keep complete files, and replace files with other content', async () => {
    const { server, out, fetch } = await setUp();
    await fetch();
    await writeFile(join(out, 'unet/config.json'), '{"c":4}');
    server.requests.length = 0;
    expect(await fetch()).toMatchObject({ numFiles: 7, numKept: 6 });
    expect(server.reads()).toEqual(['unet/config.json']);
    await expectWanted(out);
  });

  test('should continue what an earlier call has left', async () => {
    const { server, out, fetch } = await setUp();
    await mkdir(join(out, 'unet'));
    await writeFile(join(out, `${UNET}.partial`), WEIGHTS.subarray(0, 123_456));
    await fetch();
    expect(readsOf(server, UNET)).toEqual([`${UNET} bytes=123456-`]);
    await expectWanted(out);
  });

  test('should continue where the connection broke', async () => {
    let numCuts = 0;
    const { server, out, fetch } = await setUp({
      before: ({ path, range }, response) =>
        isRead(path, UNET) && range === undefined && numCuts++ === 0 && sendCut(response, WEIGHTS, 100_000),
    });
    await fetch();
    const [first, second] = readsOf(server, UNET);
    expect([first, numCuts]).toEqual([UNET, 1]);
    expect(second).toMatch(/ bytes=[1-9]\d*-$/);
    await expectWanted(out);
  });

  test('should start over if the server does not support ranges', async () => {
    const { out, fetch } = await setUp({
      before: ({ path }, response) => isRead(path, UNET) && sendBytes(response, WEIGHTS, undefined),
    });
    await mkdir(join(out, 'unet'));
    await writeFile(join(out, `${UNET}.partial`), WEIGHTS.subarray(0, 123_456));
    await fetch();
    await expectWanted(out);
  });

  test('should give up after five tries that bring nothing, and keep what is there', async () => {
    const { server, out, fetch } = await setUp({
      before: ({ path }, response) => isRead(path, UNET) && sendRefusal(response, 503, 'Busy'),
    });
    await mkdir(join(out, 'unet'));
    await writeFile(join(out, `${UNET}.partial`), WEIGHTS.subarray(0, 5));
    expect(await faultOf(fetch)).toEqual([
      'TRIB_DOWNLOAD',
      expect.stringContaining('got status 503. Wait a while'),
    ]);
    expect(readsOf(server, UNET)).toEqual(Array(5).fill(`${UNET} bytes=5-`));
    expect((await contents(out))[`${UNET}.partial`]).toHaveLength(5);
  });

  test.each(['unet/config.json', UNET])('should remove a file whose checksum is wrong: %s', async (name) => {
    const bad = Buffer.from(FILES[name as keyof typeof FILES]);
    bad[3] = bad.readUInt8(3) ^ 1;
    let isBad = true;
    const { out, fetch } = await setUp({
      before: ({ path, range }, response) => isRead(path, name) && isBad && sendBytes(response, bad, range),
    });
    expect(await faultOf(fetch)).toEqual([
      'TRIB_DOWNLOAD',
      expect.stringMatching(
        new RegExp(`^owner/name ${name}: expected the .* checksum .*, got another; the file was removed.`),
      ),
    ]);
    expect(Object.keys(await contents(out)).filter((path) => path.startsWith(name))).toEqual([]);
    isBad = false;
    await fetch();
    await expectWanted(out);
  });

  test('should stop when it is told to, and resume from there', async () => {
    const controller = new AbortController();
    const { server, out, fetch, progress } = await setUp({
      before: ({ path, range }, response) => {
        if (!isRead(path, UNET) || range !== undefined) return false;
        response.writeHead(200, { 'content-length': WEIGHTS.length }).write(WEIGHTS.subarray(0, 1000));
        return true;
      },
    });
    const onProgress = (one: FetchProgress) => {
      progress.push(one);
      const sizes = Object.entries(wanted).filter(([path]) => path !== UNET);
      if (one.path === UNET && one.bytes > sizes.reduce((sum, [, { length }]) => sum + length, 0))
        controller.abort();
    };
    expect(await faultOf(() => fetch({ signal: controller.signal, onProgress }))).toEqual([
      'TRIB_CANCELLED',
      'owner/name: expected to fetch all of it, got a request to stop. Run the same command again: it resumes where it stopped.',
    ]);
    expect((await contents(out))[`${UNET}.partial`]).toHaveLength(1000);
    await fetch();
    expect(readsOf(server, UNET)).toEqual([UNET, `${UNET} bytes=1000-`]);
    await expectWanted(out);
  });

  test('should refuse a model that the disk has no room for, before anything is fetched', async () => {
    const { server, fetch } = await setUp({
      entry: ({ lfs, ...entry }) =>
        entry.path === UNET ? { ...entry, lfs: { ...lfs, size: 9e15 } } : { ...entry, lfs },
    });
    expect(await faultOf(fetch)).toEqual([
      'TRIB_FILE',
      expect.stringMatching(/: expected 9 PB of free space for the model, got .*B\. Free some/),
    ]);
    expect(server.reads()).toEqual([]);
  });

  test('should say that a folder cannot be written', async () => {
    const { out, fetch } = await setUp();
    await mkdir(dirname(join(out, UNET)), { recursive: true });
    await writeFile(join(out, 'file'), '');
    expect(await faultOf(() => fetch({ out: join(out, 'file') }))).toEqual([
      'TRIB_FILE',
      expect.stringContaining('file: expected to write it, got EEXIST. Part of the path is a file'),
    ]);
  });
});
