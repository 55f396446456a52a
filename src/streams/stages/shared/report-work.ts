import type { StageContext } from './stage-context.js';

interface WorkReport {
  /** Runs some work and measures its time; work that overlaps counts once. */
  during<Result>(work: () => Promise<Result>): Promise<Result>;
  /** A group of this round is done. */
  done(round: number): void;
}

/**
 * Reports a round when the first group of a later one is done: how many groups this process did, and what share of the time
 * it was idle. The time of a round begins with the last group before it.
 */
export function reportWork(
  role: 'sampler' | 'reward',
  { say, observe }: Pick<StageContext, 'say' | 'observe'>,
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

  const report = (): void => {
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
        if (running === 0) {
          const worked = now() - runningSince;
          busy += worked;
          observe?.({ kind: 'busy', part: role, seconds: worked / 1000 });
        }
      }
    },
    done(round) {
      if (current === null || round > current.round) {
        report();
        current = { round, groups: 0 };
      }
      current.groups += 1;
      last = mark();
    },
  };
}
