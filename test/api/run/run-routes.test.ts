import { appendFile, cp, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EMPTY } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { openApi } from '../../../src/api/open-api.js';
import type { ControlAccess } from '../../../src/api/run/control-access.js';
import { Runs } from '../../../src/api/run/runs.js';
import { TributaryClient } from '../../../src/client/index.js';
import type { HttpServer } from '../../../src/server/open-server.js';
import { type Control, UNCONTROLLED } from '../../../src/streams/messages/control-state.js';
import { tinyConfig } from '../../fixtures/tiny-run.js';
import { PIXEL } from '../fake-desk.js';

const PLACE = { round: 1, numRounds: 3, position: 1, numPositions: 3 };
let folder: string;
let server: HttpServer;
let client: TributaryClient;
let wanted: Control = UNCONTROLLED;

/** Takes commands for the run `new` alone, at its second round. */
const control: ControlAccess = {
  reason: ({ id }) => (id === 'new' ? null : 'expected a run that is under way, got one that has ended'),
  wanted: async () => wanted,
  change: async (_run, _config, change) => {
    wanted = { ...change(wanted, PLACE), version: wanted.version + 1 };
    return wanted;
  },
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-test-'));
  const config = await tinyConfig(folder);
  const run = join(folder, 'new');
  await mkdir(join(run, 'samples'), { recursive: true });
  await writeFile(join(run, 'config.yaml'), stringify(config));
  const line = (round: number) => JSON.stringify({ kind: 'round', round, rewardMean: 0.5, valueLoss: null });
  await writeFile(join(run, 'metrics.jsonl'), `${line(0)}\nnot JSON\n${line(1)}\n{"kind":"ala`);
  await writeFile(join(run, 'samples', 'prompts.txt'), 'a red circle\ntwo squares\n');
  await writeFile(join(run, 'samples', 'round-0000.png'), PIXEL);
  await writeFile(join(run, 'samples', 'round-0002.png'), PIXEL);
  await writeFile(join(run, 'samples', 'trees-0001.json'), '{"round":1}');
  await writeFile(join(run, 'secret.png'), PIXEL);
  await cp(run, join(folder, 'old'), { recursive: true });
  await utimes(join(folder, 'old', 'metrics.jsonl'), 1, 1);
  await writeFile(join(run, 'run.lock'), '{}');
  await mkdir(join(folder, 'no run'));
  server = await openApi({
    name: 'test',
    host: '127.0.0.1',
    port: 0,
    settings: { hosts: '', origins: '' },
    addressSetting: '',
    runs: { runs: new Runs(folder), control },
    events$: EMPTY,
    page: null,
    addRoutes: () => undefined,
  });
  client = new TributaryClient({ baseUrl: server.url });
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

describe('runs', () => {
  it('should be listed, the newest first, with their state', async () => {
    const rounds = { name: 'tiny', round: 2, numRounds: expect.any(Number) };
    expect(await client.runs()).toEqual([
      { id: 'new', state: 'running', ...rounds },
      { id: 'old', state: 'stopped', ...rounds },
    ]);
  });

  it('should say how far they are and what is wanted of them', async () => {
    expect(await client.run()).toMatchObject({
      id: 'new',
      policyVersion: 2,
      examples: ['a red circle', 'two squares'],
      control: { canChange: true, wanted: { version: 0 } },
    });
    expect(await client.run('old')).toMatchObject({ id: 'old', control: { canChange: false } });
    await expect(client.run('../new')).rejects.toMatchObject({ status: 404, code: 'unknown-run' });
  });

  it('should give the lines of their logs that are whole, page by page', async () => {
    expect(await client.metrics({ limit: 2 })).toEqual({
      lines: [{ kind: 'round', round: 0, rewardMean: 0.5, valueLoss: null }],
      next: 2,
    });
    expect(await client.metrics({ after: 2 })).toMatchObject({ lines: [{ round: 1 }], next: 3 });
    expect(await client.metrics({ after: 3, run: 'old' })).toEqual({ lines: [], next: 3 });
    await appendFile(join(folder, 'new', 'metrics.jsonl'), 'rm"}\n');
    expect(await client.metrics({ after: 3 })).toEqual({ lines: [{ kind: 'alarm' }], next: 4 });
    expect(await client.metrics({ after: 99 })).toEqual({ lines: [], next: 4 });
  });

  it('should show pictures and trees, and no other file', async () => {
    expect(await client.samples('old')).toEqual({
      prompts: ['a red circle', 'two squares'],
      columns: 8,
      gap: 2,
      rounds: [0, 2],
    });
    expect(await client.trees()).toEqual([1]);
    expect(Buffer.from(await (await client.sample('round-0002.png')).arrayBuffer())).toEqual(PIXEL);
    expect(await (await client.sample('trees-0001.json', 'old')).text()).toBe('{"round":1}');
    for (const file of ['../secret.png', 'prompts.txt', 'round-0001.png'])
      await expect(client.sample(file)).rejects.toMatchObject({ status: 404 });
  });

  it('should be compared on one page', async () => {
    const page = await fetch(`${server.url}/v1/compare?run=new&run=old`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<!doctype html>')]);
    const alone = await fetch(`${server.url}/v1/compare?run=new`);
    expect([alone.status, await alone.json()]).toEqual([
      422,
      expect.objectContaining({ code: 'not-comparable' }),
    ]);
  });

  it('should take commands where somebody can reach them', async () => {
    expect(await client.control({ command: 'learning-rate-scale', value: 0.5 })).toMatchObject({
      version: 1,
      learningRateScale: 0.5,
    });
    expect(await client.control({ command: 'freeze' })).toMatchObject({ schedule: { frozenAt: 1 } });
    expect(await client.control({ command: 'advance' })).toMatchObject({ schedule: { frozenAt: 2 } });
    await expect(client.control({ command: 'advance', value: 9 })).rejects.toMatchObject({
      status: 409,
      code: 'control-refused',
      message: expect.stringContaining(
        'control advance: expected a position of the schedule, 0 to 2, got 11',
      ),
    });
    await expect(client.control({ command: 'reset' }, 'old')).rejects.toMatchObject({
      code: 'control-refused',
      message: 'expected a run that is under way, got one that has ended',
    });
    expect(wanted.version).toBe(3);
  });

  it('should refuse commands that are none', async () => {
    const response = await fetch(`${server.url}/v1/run/control`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"command":"delete"}',
    });
    expect(await response.json()).toMatchObject({
      code: 'invalid-request',
      detail: 'body.command: expected one of freeze, unfreeze, advance, rewind, learning-rate-scale, reset',
    });
  });
});
