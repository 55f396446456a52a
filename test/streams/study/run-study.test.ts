import { lastValueFrom, map, Observable, of, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { planRuns } from '../../../src/streams/study/config/study.js';
import type { FoundRun } from '../../../src/streams/study/find-run.js';
import {
  type RunToDo,
  runStudy,
  type StudyEvent,
  type TrainingEvent,
} from '../../../src/streams/study/run-study.js';
import { followStudy } from '../../../src/streams/study/study-progress.js';
import { marbles } from '../../operators/marbles.js';
import { exampleStudy, runResult, runsToDo } from './example-study.js';

const study = exampleStudy();
const named = ({ run: { row, seed }, ...event }: StudyEvent) =>
  `${event.kind} ${row.name} ${seed}${'message' in event ? `: ${event.message}` : ''}`;
const complete: FoundRun = { state: 'complete', figures: runResult('plain', 1, [0.1, 0.2]) };

const eventsOf = (
  runs: readonly RunToDo[],
  effects: {
    runOne: (run: RunToDo) => TrainingEvent[];
    find?: () => FoundRun;
    stopping?: AbortSignal;
    jobs?: number;
  },
) =>
  lastValueFrom(
    runStudy(runs, {
      runOne: effects.runOne,
      find: () => of(effects.find?.() ?? complete),
      stopping: effects.stopping ?? new AbortController().signal,
      jobs: effects.jobs ?? 1,
    }).pipe(toArray()),
  );

describe('planRuns', () => {
  test('should give every row one seed before any has two', () => {
    expect(planRuns(study).map(({ runPath }) => runPath)).toEqual([
      'runs/example/plain/seed-1',
      'runs/example/fast/seed-1',
      'runs/example/plain/seed-2',
      'runs/example/fast/seed-2',
    ]);
  });

  test('should keep to the rows and seeds that are chosen, and to the seeds of a row', () => {
    expect(planRuns(study, { rows: ['fast'], seeds: [2] }).map(({ runPath }) => runPath)).toEqual([
      'runs/example/fast/seed-2',
    ]);
    const [plain, fast] = study.rows;
    if (!plain || !fast) throw new Error('the example has two rows');
    const narrowed = { ...study, rows: [{ ...plain, seeds: [2] }, fast] };
    expect(planRuns(narrowed).map(({ row, seed }) => `${row.name} ${seed}`)).toEqual([
      'fast 1',
      'plain 2',
      'fast 2',
    ]);
  });
});

describe('runStudy', () => {
  test('should run one after another, and say how far each is', async () => {
    const events = await eventsOf(runsToDo(study).slice(0, 2), {
      runOne: () => [{ kind: 'round', completeRounds: 1 }],
    });
    expect(events.map(named)).toEqual([
      'begun plain 1',
      'round plain 1',
      'complete plain 1',
      'begun fast 1',
      'round fast 1',
      'complete fast 1',
    ]);
  });

  test('should keep as many runs under way as there are jobs, and begin the next where one ends', () => {
    marbles(({ cold, expectObservable }) => {
      const runs = runsToDo(study).slice(0, 3);
      const courses = ['---------------|', '------|', '-------|'];
      const events$ = runStudy(runs, {
        runOne: (run) => cold<TrainingEvent>(courses[runs.indexOf(run)] ?? ''),
        find: () => of(complete),
        stopping: new AbortController().signal,
        jobs: 2,
      });
      expectObservable(events$.pipe(map(named))).toBe('(ab)--(cd)---e-(f|)', {
        a: 'begun plain 1',
        b: 'begun fast 1',
        c: 'complete fast 1',
        d: 'begun plain 2',
        e: 'complete plain 2',
        f: 'complete plain 1',
      });
    });
  });

  test('should go on after a run that failed', async () => {
    const events = await eventsOf(runsToDo(study).slice(0, 2), {
      runOne: ({ row }) => (row.name === 'plain' ? [{ kind: 'failed', message: 'disk full' }] : []),
    });
    expect(events.map(named)).toEqual([
      'begun plain 1',
      'failed plain 1: disk full',
      'begun fast 1',
      'complete fast 1',
    ]);
  });

  test('should call a run failed that ended before its end by itself', async () => {
    const events = await eventsOf(runsToDo(study).slice(0, 1), {
      runOne: () => [],
      find: () => ({ state: 'begun', completeRounds: 1 }),
    });
    expect(events.map(named).at(-1)).toBe(
      'failed plain 1: runs/example/plain/seed-1: expected a whole run, got one that was stopped. Run the study again to resume it.',
    );
  });

  test('should begin nothing after it was asked to stop, and not blame the run under way', async () => {
    const stop = new AbortController();
    const events = await eventsOf(runsToDo(study), {
      runOne: () => {
        stop.abort();
        return [{ kind: 'round', completeRounds: 1 }];
      },
      find: () => ({ state: 'begun', completeRounds: 1 }),
      stopping: stop.signal,
    });
    expect(events.map(named)).toEqual(['begun plain 1', 'round plain 1']);
  });

  test('should still take the last run where it was complete when asked to stop', async () => {
    const stop = new AbortController();
    const events = await eventsOf(runsToDo(study), {
      runOne: () => {
        stop.abort();
        return [];
      },
      stopping: stop.signal,
    });
    expect(events.map(named)).toEqual(['begun plain 1', 'complete plain 1']);
  });

  test('should leave the run under way when unsubscribed', () => {
    let isReleased = false;
    const training$ = new Observable<TrainingEvent>(() => () => {
      isReleased = true;
    });
    const subscription = runStudy(runsToDo(study), {
      runOne: () => training$,
      find: () => of(complete),
      stopping: new AbortController().signal,
      jobs: 1,
    }).subscribe();
    expect(isReleased).toBe(false);
    subscription.unsubscribe();
    expect(isReleased).toBe(true);
  });
});

describe('followStudy', () => {
  const [plain, fast] = runsToDo(study) as [RunToDo, RunToDo];
  // Of the first run's two rounds one is left: 20 of 100 parts of the work.
  const first: RunToDo = {
    ...plain,
    row: { ...plain.row, cost: 40 },
    found: { state: 'begun', completeRounds: 1 },
  };
  const second: RunToDo = { ...fast, row: { ...fast.row, cost: 80 } };
  const figures = { points: [], rounds: [] };

  test('should weigh runs by their work, what was done before left out', () => {
    const follow = followStudy([first, second]);
    const shares = [
      follow({ kind: 'begun', run: first }),
      follow({ kind: 'round', run: first, completeRounds: 2 }),
      follow({ kind: 'warning', run: first, message: '' }),
      follow({ kind: 'failed', run: first, message: '' }),
      follow({ kind: 'begun', run: second }),
      follow({ kind: 'complete', run: second, figures }),
    ].map(({ ended, share }) => [ended, share]);
    expect(shares).toEqual([
      [0, 0],
      [0, 0.2],
      [0, 0.2],
      [1, 0.2],
      [1, 0.2],
      [2, 1],
    ]);
  });

  test('should follow runs that are under way at one time', () => {
    const follow = followStudy([first, second]);
    follow({ kind: 'begun', run: first });
    expect(follow({ kind: 'begun', run: second })).toEqual({
      active: [
        { run: first, completeRounds: 1 },
        { run: second, completeRounds: 0 },
      ],
      ended: 0,
      count: 2,
      share: 0,
    });
    expect(follow({ kind: 'complete', run: second, figures })).toEqual({
      active: [{ run: first, completeRounds: 1 }],
      ended: 1,
      count: 2,
      share: 0.8,
    });
    expect(follow({ kind: 'round', run: first, completeRounds: 2 }).share).toBe(1);
  });
});
