import type { Say } from '../../messages/run-events.js';

export interface WorkReport {
  /** Runs a piece of work. Pieces that overlap count once. */
  during<Result>(work: () => Promise<Result>): Promise<Result>;
  /** A group of this round is done. */
  done(round: number): void;
}

/**
 * Says, when the first group of a later round is done, what this process did in the one before: how many groups, and
 * in which share of the time it had nothing to do. The time of a round begins with the last group before it.
 */
export function reportWork(
  role: 'sampler' | 'reward',
  say: Say,
  now: () => number = () => performance.now(),
): WorkReport {
  let busy = 0;
  let running = 0;
  let runningSince = 0;
  const busyUntilNow = () => (running > 0 ? busy + now() - runningSince : busy);
  const mark = () => ({ at: now(), busy: busyUntilNow() });
  let begin = mark();
  let last = begin;
  let current: { readonly round: number; groups: number } | null = null;

  const tell = (): void => {
    if (current === null) return;
    const elapsed = last.at - begin.at;
    const idleShare = elapsed > 0 ? Math.max(0, 1 - (last.busy - begin.busy) / elapsed) : 0;
    say({ kind: 'worked', role, ...current, idleShare });
    begin = last;
  };
  return {
    async during(work) {
      if (running === 0) runningSince = now();
      running += 1;
      try {
        return await work();
      } finally {
        running -= 1;
        if (running === 0) busy += now() - runningSince;
      }
    },
    done(round) {
      if (current === null || round > current.round) {
        tell();
        current = { round, groups: 0 };
      }
      current.groups += 1;
      last = mark();
    },
  };
}
