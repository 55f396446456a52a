import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { stringify } from 'yaml';
import { openDashboard } from '../../src/api/open-dashboard.js';
import { faultOf } from '../fixtures/fault-of.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { tinyConfig } from '../fixtures/tiny-run.js';

async function open(runPath: string) {
  const dashboard = await openDashboard({ runPath, host: '127.0.0.1', port: 0, page: null });
  onTestFinished(() => dashboard.close());
  const get = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${dashboard.url}${path}`, init);
    return { status: response.status, text: await response.text() };
  };
  return { ...dashboard, get };
}

it('should wait for a run that has not begun, and then show its report', async () => {
  const runPath = await temporaryFolder();
  const { get } = await open(runPath);
  expect(await get('/')).toMatchObject({ status: 200, text: expect.stringContaining('holds no run yet') });
  const config = await tinyConfig(await temporaryFolder());
  await writeFile(join(runPath, 'config.yaml'), stringify(config));
  const { status, text } = await get('/');
  expect(status).toBe(200);
  expect(text).toContain('<h1>tiny</h1>');
  expect(text).toContain("new EventSource('v1/events')");
  expect(await get('/report')).toEqual({ status, text });
});

it('should tell its followers when the run has logged something', async () => {
  const runPath = await temporaryFolder();
  await writeFile(join(runPath, 'metrics.jsonl'), '');
  const { url } = await open(runPath);
  const response = await fetch(`${url}/v1/events`);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const told: string[] = [];
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  onTestFinished(() => reader?.cancel());
  const read = (async () => {
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read())
      told.push(part.value);
  })();
  read.catch(() => undefined);
  await vi.waitFor(
    async () => {
      await appendFile(join(runPath, 'metrics.jsonl'), '{}\n');
      expect(told.join('')).toMatch(/event: metrics\ndata: {"type":"metrics","line":\d+,"entry":{}}\n\n/);
    },
    { timeout: 20_000, interval: 300 },
  );
});

it('should answer what else it is asked', async () => {
  const { get } = await open(await temporaryFolder());
  expect(await get('/health')).toEqual({ status: 200, text: 'ok' });
  expect((await get('/config.yaml')).status).toBe(404);
  expect((await get('/', { method: 'POST' })).status).toBe(405);
});

it('should say why a page cannot be made, and go on', async () => {
  const runPath = await temporaryFolder();
  await writeFile(join(runPath, 'config.yaml'), 'name: 7\n');
  const { get } = await open(runPath);
  expect(await get('/')).toMatchObject({ status: 500, text: expect.stringContaining('config.yaml') });
  expect((await get('/health')).status).toBe(200);
});

it('should refuse an address that is taken', async () => {
  const runPath = await temporaryFolder();
  const { url } = await open(runPath);
  const [code, message] = await faultOf(() =>
    openDashboard({ runPath, host: '127.0.0.1', port: Number(new URL(url).port) }),
  );
  expect([code, message]).toEqual(['TRIB_USAGE', expect.stringContaining('got EADDRINUSE')]);
});
