import { readFile, rm, writeFile } from 'node:fs/promises';
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
  const create = () =>
    writeFile(path, `${JSON.stringify(own)}\n`, { flag: 'wx' }).then(
      () => true,
      (cause: NodeJS.ErrnoException) => {
        if (cause.code === 'EEXIST') return false;
        throw writeFault(path, cause);
      },
    );
  for (let tries = 0; tries < 2; tries++) {
    if (await create()) return () => rm(path, { force: true });
    const holder = holderSchema.safeParse(parseJsonOrNull(await readFile(path, 'utf8').catch(() => '')));
    if (holder.success && isAtWork(holder.data)) throw held(runPath, holder.data);
    await rm(path, { force: true });
  }
  throw held(runPath, own);
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
