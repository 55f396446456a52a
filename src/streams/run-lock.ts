import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { TributaryError } from '../errors.js';
import { writeFault } from '../models/files/atomic.js';
import { parseJsonOrNull } from './parse-json-or-null.js';

export const LOCK_FILE = 'run.lock';

const holderSchema = z.object({ pid: z.int(), host: z.string(), since: z.string() });
type Holder = z.infer<typeof holderSchema>;

/**
 * Takes a run directory for this process: two that write one run would mix their checkpoints. Returns how to let it go.
 *
 * The lock of a process that has ended is taken over, so a crash needs no repair. A lock from another host cannot be
 * checked, and counts.
 *
 * **Errors**: TRIB_USAGE where another process holds the run; TRIB_FILE where nothing can be written.
 */
export async function lockRun(runPath: string, now: Date): Promise<() => Promise<void>> {
  const path = join(runPath, LOCK_FILE);
  const own: Holder = { pid: process.pid, host: hostname(), since: now.toISOString() };
  const prepared = `${path}.${process.pid}`;
  try {
    await writeFile(prepared, `${JSON.stringify(own)}\n`);
    // A link appears whole or not at all, and only where there is none.
    while (!(await linkIfFree(prepared, path))) {
      const holder = await holderOf(path);
      if (holder && isAtWork(holder)) throw held(runPath, holder);
      await moveAway(path, `${prepared}.stale`);
    }
  } catch (cause) {
    throw cause instanceof TributaryError ? cause : writeFault(path, cause);
  } finally {
    await rm(prepared, { force: true }).catch(() => {});
  }
  // A lock that cannot be removed is taken over once this process has ended.
  return () => rm(path, { force: true }).catch(() => {});
}

/** Of two that find one stale lock, the second may catch the first one's new lock: then it is put back. */
async function moveAway(path: string, aside: string): Promise<void> {
  try {
    await rename(path, aside);
  } catch (error) {
    if (isMissing(error)) return; // Another was faster.
    throw error;
  }
  const holder = await holderOf(aside);
  if (holder && isAtWork(holder)) await linkIfFree(aside, path);
  await rm(aside, { force: true });
}

/** Who a lock names; undefined where it is damaged or gone. */
async function holderOf(path: string): Promise<Holder | undefined> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return '';
    throw error;
  });
  return holderSchema.safeParse(parseJsonOrNull(text)).data;
}

const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT';

async function linkIfFree(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function isAtWork({ pid, host }: Holder): boolean {
  if (host !== hostname()) return true;
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function held(runPath: string, { pid, host, since }: Holder): TributaryError {
  return new TributaryError(
    'TRIB_USAGE',
    `run directory ${runPath}: expected no other process at work on it, got process ${pid} on ${host} since ${since}. Wait for it or stop it; if it is gone, remove ${LOCK_FILE}.`,
  );
}
