import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Subject } from 'rxjs';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { lockRun, processIdentity } from '../../../src/streams/directory/run-lock.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const NOW = new Date('2026-11-21T10:00:00Z');
let run = '';
beforeEach(async () => {
  run = await temporaryFolder();
});
const lockPath = () => join(run, 'run.lock');
const holder = (pid: number, host = hostname(), more: object = {}) =>
  writeFile(lockPath(), JSON.stringify({ pid, host, since: NOW.toISOString(), ...more }));
/** Everything in the run was written so many seconds ago. */
async function silentFor(seconds: number): Promise<void> {
  const at = new Date(NOW.getTime() - seconds * 1000);
  for (const name of await readdir(run)) await utimes(join(run, name), at, at);
}
const holderNow = async () => JSON.parse(await readFile(lockPath(), 'utf8'));

/** A process that stays until the test ends, or that has ended. */
async function otherProcess({ ended }: { ended: boolean }): Promise<number> {
  const child = spawn(process.execPath, ['-e', ended ? '' : 'setInterval(() => {}, 1000)']);
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, ended ? 'exit' : 'spawn');
  return child.pid as number;
}

describe('lockRun', () => {
  test('should name the process that works on a run, and leave nothing behind', async () => {
    const { release } = await lockRun(run, NOW);
    expect(JSON.parse(await readFile(join(run, 'run.lock'), 'utf8'))).toEqual({
      pid: process.pid,
      host: hostname(),
      since: '2026-11-21T10:00:00.000Z',
      process: await processIdentity(process.pid),
    });
    await release();
    await expect(readFile(join(run, 'run.lock'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('should refuse a run that another process works on', async () => {
    const pid = await otherProcess({ ended: false });
    await holder(pid);
    expect(await faultOf(() => lockRun(run, NOW))).toEqual([
      'TRIB_USAGE',
      `run directory ${run}: expected no other active process, got process ${pid} on ${hostname()} since 2026-11-21T10:00:00.000Z. Wait for it or stop it; if it is gone, add --take-over.`,
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

  test.runIf(process.platform === 'linux')(
    'should take over a lock whose process id another process has got since',
    async () => {
      const pid = await otherProcess({ ended: false });
      await holder(pid, hostname(), { process: 'another boot 1234' });
      await lockRun(run, NOW);
      expect((await holderNow()).pid).toBe(process.pid);
      await rm(lockPath());
      await holder(pid, hostname(), { process: await processIdentity(pid) });
      expect((await faultOf(() => lockRun(run, NOW)))[1]).toContain(`process ${pid} on`);
    },
  );

  test('should give signs of life, and none of another process that has taken the run', async () => {
    const beat$ = new Subject<void>();
    const lock = await lockRun(run, NOW, { beat$ });
    const text = await readFile(lockPath(), 'utf8');
    await silentFor(60);
    beat$.next();
    await vi.waitFor(async () => expect((await stat(lockPath())).mtimeMs).toBeGreaterThan(NOW.getTime()));
    expect(await readFile(lockPath(), 'utf8')).toBe(text);
    await lock.requireHeld();
    await holder(1, 'elsewhere');
    await silentFor(60);
    const taken = await readFile(lockPath(), 'utf8');
    beat$.next();
    expect(await faultOf(() => lock.requireHeld())).toEqual([
      'TRIB_USAGE',
      `run directory ${run}: expected no other active process, got process 1 on elsewhere since 2026-11-21T10:00:00.000Z. That one has taken the run over, and this one ends.`,
    ]);
    await lock.release();
    expect(beat$.observed).toBe(false);
    expect(await readFile(lockPath(), 'utf8')).toBe(taken);
  });
});

describe('lockRun with --take-over', () => {
  const takeOver = () => lockRun(run, NOW, { takeOver: true });

  test('should take over the lock of another host that has been silent', async () => {
    await holder(1, 'elsewhere');
    await writeFile(join(run, 'metrics.jsonl'), '');
    await silentFor(30);
    await takeOver();
    expect((await holderNow()).pid).toBe(process.pid);
  });

  test.each([
    ['the lock', 'run.lock', 29, '29 s ago'],
    ['the log', 'metrics.jsonl', 3, '3 s ago'],
    ['a checkpoint', 'checkpoints', 0, '0 s ago'],
    ['the lock, by a clock that is ahead,', 'run.lock', -100, 'in the future, by this clock'],
  ])('should refuse while %s was written within 30 seconds', async (_, name, seconds, when) => {
    await holder(1, 'elsewhere');
    await writeFile(join(run, 'metrics.jsonl'), '');
    await mkdir(join(run, 'checkpoints'));
    await silentFor(100);
    const at = new Date(NOW.getTime() - seconds * 1000);
    await utimes(join(run, name), at, at);
    expect(await faultOf(takeOver)).toEqual([
      'TRIB_USAGE',
      `run directory ${run}: expected no other active process, got process 1 on elsewhere since 2026-11-21T10:00:00.000Z. ${name} was written ${when}: stop it, and try again when nothing was written for 30 s.`,
    ]);
    expect((await holderNow()).host).toBe('elsewhere');
  });

  test.runIf(process.platform === 'linux')('should refuse while the process itself answers', async () => {
    const pid = await otherProcess({ ended: false });
    await holder(pid, hostname(), { process: await processIdentity(pid) });
    await silentFor(1000);
    expect((await faultOf(takeOver))[1]).toContain('It still answers: stop it, and try again.');
  });
});
