/** @file `run.lock`: the process that works on a run directory. Two would mix their checkpoints. */

import { link, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { EMPTY, exhaustMap, type Observable } from 'rxjs';
import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import { writeFault } from '../../models/files/atomic.js';
import { parseJsonOrNull } from '../../models/files/json-file.js';

export const LOCK_FILE = 'run.lock';

/** A lock may be taken over on request if nothing in the run was written for so long. */
const SILENT_SECONDS = 30;
/** How often a lock is refreshed: often enough that one beat may be late. */
export const BEAT_MS = 10_000;

const holderSchema = z.object({
  pid: z.int(),
  host: z.string(),
  since: z.string(),
  /** From `processIdentity`; absent if unknown. */
  process: z.string().optional(),
});
type Holder = z.infer<typeof holderSchema>;

/**
 * A text that identifies a process of this machine for ever: the boot, and when the process began. Undefined if there is no
 * such process, and on systems other than Linux.
 */
export async function processIdentity(pid: number): Promise<string | undefined> {
  const [boot, stat] = await Promise.all([
    contentOf('/proc/sys/kernel/random/boot_id'),
    contentOf(`/proc/${pid}/stat`),
  ]);
  // Field 22 of stat (proc(5)), counted after the program's name, which may contain anything.
  const ticks = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  return boot === null || ticks === undefined ? undefined : `${boot.trim()} ${ticks}`;
}

function contentOf(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}

interface LockOptions {
  /** Whether to take the lock of a process that may still exist, but does not answer and writes nothing. */
  readonly takeOver?: boolean;
  /** When to refresh the lock. Default: never. */
  readonly beat$?: Observable<unknown>;
}

export interface RunLock {
  /** Errors: TRIB_USAGE if another process has taken the run over. */
  requireHeld(): Promise<void>;
  /** Lets another process work on the run. */
  release(): Promise<void>;
}

/**
 * Takes a run directory for this process.
 *
 * The lock of a process that has ended is taken over, so a crash needs no repair; so is the lock of a process whose id has
 * been reused since, if the lock says when it began. A lock from another host cannot be checked and stays valid, unless
 * `takeOver` is set and neither lock nor run was written within 30 seconds.
 *
 * Errors: TRIB_USAGE if another process holds the run; TRIB_FILE if nothing can be written.
 */
export async function lockRun(
  runPath: string,
  now: Date,
  { takeOver = false, beat$ = EMPTY }: LockOptions = {},
): Promise<RunLock> {
  const path = join(runPath, LOCK_FILE);
  const identity = await processIdentity(process.pid);
  const own: Holder = {
    pid: process.pid,
    host: hostname(),
    since: now.toISOString(),
    ...(identity !== undefined && { process: identity }),
  };
  const text = `${JSON.stringify(own)}\n`;
  const prepared = `${path}.${process.pid}`;
  try {
    const silentSince = await lastWritten(runPath);
    await writeFile(prepared, text);
    // A link appears whole or not at all, and only where there is none.
    while (!(await linkIfFree(prepared, path))) {
      const stale = await holderOf(path);
      if (stale && (await isAtWork(stale)))
        if (takeOver) await requireSilence(runPath, stale, silentSince, now);
        else throw held(runPath, stale, 'Wait for it or stop it; if it is gone, add --take-over.');
      await moveAway(path, `${prepared}.stale`, stale);
    }
  } catch (cause) {
    throw cause instanceof TributaryError ? cause : writeFault(path, cause);
  } finally {
    await rm(prepared, { force: true }).catch(() => {});
  }
  // A failed beat is ignored: the next write to the run reports what is wrong with the disk.
  const beats = beat$.pipe(exhaustMap(() => writeAgain(path, text).catch(() => {}))).subscribe();
  return {
    async requireHeld() {
      const holder = await holderOf(path);
      if (holder && !isSame(holder, own))
        throw held(runPath, holder, 'That one has taken the run over, and this one ends.');
    },
    async release() {
      beats.unsubscribe();
      const holder = await holderOf(path).catch(() => undefined);
      // A lock that cannot be removed is taken over once this process has ended.
      if (!holder || isSame(holder, own)) await rm(path, { force: true }).catch(() => {});
    },
  };
}

/** Writes the same bytes in place, so a reader always sees a whole lock. The lock of another process is left alone. */
async function writeAgain(path: string, text: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    if ((await file.readFile('utf8')) === text) await file.write(text, 0);
  } finally {
    await file.close();
  }
}

/** Of two processes that find a stale lock, the second may move the new lock of the first: then it puts it back. */
async function moveAway(path: string, aside: string, stale: Holder | undefined): Promise<void> {
  try {
    await rename(path, aside);
  } catch (error) {
    if (isMissing(error)) return; // Another was faster.
    throw error;
  }
  const caught = await holderOf(aside);
  if (caught && !(stale && isSame(caught, stale))) await linkIfFree(aside, path);
  await rm(aside, { force: true });
}

const isSame = (a: Holder, b: Holder) =>
  a.pid === b.pid && a.host === b.host && a.since === b.since && a.process === b.process;

/** The process that a lock names; undefined if the lock is damaged or gone. */
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

/** Whether the process that wrote a lock may still exist. */
async function isAtWork({ pid, host, process: identity }: Holder): Promise<boolean> {
  if (host !== hostname()) return true;
  if (pid === process.pid || !isAlive(pid)) return false;
  if (identity === undefined) return true;
  const today = await processIdentity(pid);
  return today === undefined || today === identity;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether the process of the lock certainly still runs. */
async function answers({ pid, host, process: identity }: Holder): Promise<boolean> {
  return host === hostname() && identity !== undefined && (await processIdentity(pid)) === identity;
}

interface Written {
  readonly name: string;
  readonly atMs: number;
}

/** The file of a run, its lock included, that was written last; what this process prepares does not count. */
async function lastWritten(runPath: string): Promise<Written> {
  let last: Written = { name: LOCK_FILE, atMs: Number.NEGATIVE_INFINITY };
  for (const name of await readdir(runPath)) {
    if (name.startsWith(`${LOCK_FILE}.`)) continue;
    const atMs = (await stat(join(runPath, name)).catch(() => null))?.mtimeMs ?? last.atMs;
    if (atMs > last.atMs) last = { name, atMs };
  }
  return last;
}

async function requireSilence(
  runPath: string,
  holder: Holder,
  { name, atMs }: Written,
  now: Date,
): Promise<void> {
  if (await answers(holder)) throw held(runPath, holder, 'It still answers: stop it, and try again.');
  const seconds = (now.getTime() - atMs) / 1000;
  if (seconds >= SILENT_SECONDS) return;
  // With a clock that is ahead, nobody knows when that was.
  const when = seconds < 0 ? 'in the future, by this clock' : `${Math.floor(seconds)} s ago`;
  throw held(
    runPath,
    holder,
    `${name} was written ${when}: stop it, and try again when nothing was written for ${SILENT_SECONDS} s.`,
  );
}

function held(runPath: string, { pid, host, since }: Holder, nextStep: string): TributaryError {
  return new TributaryError(
    'TRIB_USAGE',
    `run directory ${runPath}: expected no other active process, got process ${pid} on ${host} since ${since}. ${nextStep}`,
  );
}
