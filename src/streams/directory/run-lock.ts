/** @file `run.lock`: the process that works on a run directory. Two that write one run would mix their checkpoints. */

import { link, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { EMPTY, exhaustMap, type Observable } from 'rxjs';
import { z } from 'zod';
import { TributaryError } from '../../errors.js';
import { writeFault } from '../../models/files/atomic.js';
import { parseJsonOrNull } from '../../models/files/json-file.js';

export const LOCK_FILE = 'run.lock';

/** A lock that is older than this, of a run that nobody writes, may be taken over on request. */
const SILENT_SECONDS = 30;
/** How often a lock is written again: often enough that one beat may be late. */
export const BEAT_MS = 10_000;

const holderSchema = z.object({
  pid: z.int(),
  host: z.string(),
  since: z.string(),
  /** As `processIdentity` says; absent where that is not known. */
  process: z.string().optional(),
});
type Holder = z.infer<typeof holderSchema>;

/**
 * A text that no other process of this machine has or will have: the boot, and when in it the process began. Only Linux
 * tells; undefined elsewhere, and where there is no such process.
 */
export async function processIdentity(pid: number): Promise<string | undefined> {
  const [boot, stat] = await Promise.all([
    contentOf('/proc/sys/kernel/random/boot_id'),
    contentOf(`/proc/${pid}/stat`),
  ]);
  // Field 22 of stat, counted behind the name of the program, which may hold anything (proc(5)).
  const ticks = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  return boot === null || ticks === undefined ? undefined : `${boot.trim()} ${ticks}`;
}

function contentOf(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}

export interface LockOptions {
  /** Whether to take the lock of a process that cannot be shown to have ended, but does not answer and writes nothing. */
  readonly takeOver?: boolean;
  /** When the lock is to be written again, as a sign of life. Default: never. */
  readonly beat$?: Observable<unknown>;
}

export interface RunLock {
  /** Errors: TRIB_USAGE where another process has taken the run over. */
  requireHeld(): Promise<void>;
  /** Lets another process work on the run. */
  release(): Promise<void>;
}

/**
 * Takes a run directory for this process.
 *
 * The lock of a process that has ended is taken over, so a crash needs no repair; so is that of a process whose id another
 * has got since, where the lock says when it began. A lock from another host cannot be checked, and counts, unless
 * `takeOver` is asked for and neither lock nor run was written within 30 seconds.
 *
 * Errors: TRIB_USAGE where another process holds the run; TRIB_FILE where nothing can be written.
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
  // A beat that fails is a beat less: the next write of the run says what is wrong with the disk.
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

/** The same bytes in the same place: a reader sees the lock whole, and a lock of another is left alone. */
async function writeAgain(path: string, text: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    if ((await file.readFile('utf8')) === text) await file.write(text, 0);
  } finally {
    await file.close();
  }
}

/** Of two that find one stale lock, the second may catch the first one's new lock: then it is put back. */
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

/** Whether the process that wrote a lock may still be there. */
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

/** Whether it is certain that the process is that of the lock. */
async function answers({ pid, host, process: identity }: Holder): Promise<boolean> {
  return host === hostname() && identity !== undefined && (await processIdentity(pid)) === identity;
}

interface Written {
  readonly name: string;
  readonly atMs: number;
}

/** What of the lock and the files of a run was written last; what this process prepares does not count. */
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
  // A clock that is ahead tells nothing of when that was.
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
    `run directory ${runPath}: expected no other process at work on it, got process ${pid} on ${host} since ${since}. ${nextStep}`,
  );
}
