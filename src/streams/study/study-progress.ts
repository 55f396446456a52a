import type { RunToDo, StudyEvent } from './run-study.js';

/** A run under way, and how far it has come. */
interface ActiveRun {
  readonly run: RunToDo;
  readonly completeRounds: number;
}

/** Where a study stands. */
export interface StudyProgress {
  /** In the order in which they began. */
  readonly active: readonly ActiveRun[];
  /** Runs that came to their end or failed, of those to do. */
  readonly ended: number;
  readonly count: number;
  /** Share of the work that is done, in [0, 1], measured in network evaluations. */
  readonly share: number;
}

/**
 * Returns a function that takes the events of a study in order and returns its progress. Rounds that a resumed run had
 * finished before do not count as work, and a run that failed has none left.
 */
export function followStudy(runs: readonly RunToDo[]): (event: StudyEvent) => StudyProgress {
  const work = (run: RunToDo, completeRounds: number) =>
    (run.row.cost * Math.max(0, completeRounds - startOf(run))) / run.row.numRounds;
  const total = runs.reduce((sum, run) => sum + work(run, run.row.numRounds), 0);
  const active = new Map<RunToDo, number>();
  let ended = 0;
  let finished = 0;
  return (event) => {
    const { run } = event;
    if (event.kind === 'begun') active.set(run, startOf(run));
    if (event.kind === 'round') active.set(run, event.completeRounds);
    if (event.kind === 'complete' || event.kind === 'failed') {
      active.delete(run);
      ended += 1;
      finished += work(run, run.row.numRounds);
    }
    const list = [...active].map(([one, completeRounds]) => ({ run: one, completeRounds }));
    const done = list.reduce((sum, one) => sum + work(one.run, one.completeRounds), finished);
    return { active: list, ended, count: runs.length, share: total === 0 ? 1 : done / total };
  };
}

function startOf({ found }: RunToDo): number {
  return found.state === 'begun' ? found.completeRounds : 0;
}
