import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { lockRun } from '../../src/streams/run-lock.js';
import { faultOf } from '../fixtures/fault-of.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const NOW = new Date('2026-11-21T10:00:00Z');
let run = '';
beforeEach(async () => {
  run = await temporaryFolder();
});
const holder = (pid: number, host = hostname()) =>
  writeFile(join(run, 'run.lock'), JSON.stringify({ pid, host, since: NOW.toISOString() }));

/** A process that stays until the test ends, or that has ended. */
async function otherProcess({ ended }: { ended: boolean }): Promise<number> {
  const child = spawn(process.execPath, ['-e', ended ? '' : 'setInterval(() => {}, 1000)']);
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, ended ? 'exit' : 'spawn');
  return child.pid as number;
}

describe('lockRun', () => {
  test('should name the process that works on a run, and leave nothing behind', async () => {
    const release = await lockRun(run, NOW);
    expect(JSON.parse(await readFile(join(run, 'run.lock'), 'utf8'))).toEqual({
      pid: process.pid,
      host: hostname(),
      since: '2026-11-21T10:00:00.000Z',
    });
    await release();
    await expect(readFile(join(run, 'run.lock'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('should refuse a run that another process works on', async () => {
    const pid = await otherProcess({ ended: false });
    await holder(pid);
    expect(await faultOf(() => lockRun(run, NOW))).toEqual([
      'TRIB_USAGE',
      `run directory ${run}: expected no other process at work on it, got process ${pid} on ${hostname()} since 2026-11-21T10:00:00.000Z. Wait for it or stop it; if it is gone, remove run.lock.`,
    ]);
  });

  test('should refuse a lock of another host, which it cannot check', async () => {
    await holder(1, 'elsewhere');
    expect((await faultOf(() => lockRun(run, NOW)))[1]).toContain('process 1 on elsewhere');
  });

  test('should fail where a stale lock cannot be moved away, and not try for ever', async () => {
    await holder(await otherProcess({ ended: true }));
    await mkdir(join(run, `run.lock.${process.pid}.stale`));
    expect((await faultOf(() => lockRun(run, NOW)))[0]).toBe('TRIB_FILE');
  });

  test.each(['ended', 'damaged'])('should take over a lock that is %s', async (kind) => {
    if (kind === 'ended') await holder(await otherProcess({ ended: true }));
    else await writeFile(join(run, 'run.lock'), '{"pid":');
    await lockRun(run, NOW);
    expect(JSON.parse(await readFile(join(run, 'run.lock'), 'utf8')).pid).toBe(process.pid);
  });
});
