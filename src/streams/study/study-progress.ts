import type { RunToDo, StudyEvent } from './run-study.js';

/** Where a study stands. */
export interface StudyProgress {
  readonly run: RunToDo;
  /** 1 for the first of those to do. */
  readonly place: number;
  readonly count: number;
  readonly completeStages: number;
  /** Share of the work that is done, in [0, 1], by the networks' evaluations. */
  readonly share: number;
}

/**
 * Returns a function that takes the events of a study in turn and says where it stands; null before the first run
 * begins. What a resumed run has done already is no work of this study.
 */
export function followStudy(runs: readonly RunToDo[]): (event: StudyEvent) => StudyProgress {
  const work = (run: RunToDo, completeStages: number) =>
    (run.row.cost * Math.max(0, completeStages - startOf(run))) / run.row.numStages;
  const total = runs.reduce((sum, run) => sum + work(run, run.row.numStages), 0);
  let finished = 0;
  let completeStages = 0;
  return (event) => {
    const { run } = event;
    const hasEnded = event.kind === 'complete' || event.kind === 'failed';
    if (event.kind === 'begun') completeStages = startOf(run);
    if (event.kind === 'stage') completeStages = event.completeStages;
    if (hasEnded) completeStages = run.row.numStages;
    const done = finished + work(run, completeStages);
    if (hasEnded) finished = done;
    const place = runs.indexOf(run) + 1;
    return { run, place, count: runs.length, completeStages, share: total === 0 ? 1 : done / total };
  };
}

function startOf({ found }: RunToDo): number {
  return found.state === 'begun' ? found.completeStages : 0;
}
