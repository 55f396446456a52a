/** @file What tells a process from another that has got its id since. Linux says so; elsewhere nothing is known. */

import { readFile } from 'node:fs/promises';

/** Ticks a second in which Linux tells times to programs, on every machine (USER_HZ, proc(5)). */
const TICKS_PER_SECOND = 100;

/**
 * A text that no other process of this machine has or will have: the boot, and when in it the process began. Undefined where
 * there is no such process, or the system does not tell.
 */
export async function processIdentity(pid: number): Promise<string | undefined> {
  const [boot, ticks] = [await contentOf('/proc/sys/kernel/random/boot_id'), await startTicks(pid)];
  return boot === null || ticks === null ? undefined : `${boot.trim()} ${ticks}`;
}

/** When a process began, in milliseconds since 1970, by today's clock; undefined as above. */
export async function processStart(pid: number): Promise<number | undefined> {
  const [boot, ticks] = [/^btime (\d+)$/m.exec((await contentOf('/proc/stat')) ?? ''), await startTicks(pid)];
  if (boot === null || ticks === null) return undefined;
  return (Number(boot[1]) + Number(ticks) / TICKS_PER_SECOND) * 1000;
}

/** Field 22 of stat, counted behind the name of the program, which may hold anything (proc(5)). */
async function startTicks(pid: number): Promise<string | null> {
  const stat = await contentOf(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

function contentOf(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}
