import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, InvalidArgumentError } from 'commander';
import { concatMap, fromEvent, lastValueFrom, takeUntil } from 'rxjs';
import { TributaryError } from '../../errors.js';
import { loadStudy } from '../../streams/study/config/lint-study.js';
import { type Choice, type PlannedRun, planRuns, type Study } from '../../streams/study/config/study.js';
import { findRun } from '../../streams/study/find-run.js';
import type { FailedRun, RunResult } from '../../streams/study/results/run-result.js';
import { isSameRun, mergeResults, type StudyResults } from '../../streams/study/results/study-results.js';
import { readResults } from '../../streams/study/results-file.js';
import { type RunToDo, runStudy } from '../../streams/study/run-study.js';
import { followStudy } from '../../streams/study/study-progress.js';
import { trainInChild } from '../../streams/study/train-in-child.js';
import { RESULTS_FILE, writeStudy } from '../../streams/study/write-study.js';
import { type Interrupt, watchInterrupt } from '../input/interrupt.js';
import { collect, logOption, whole } from '../input/options.js';
import type { LogForm } from '../output/log.js';
import { openStudyOutput, type StudyOutput } from '../output/study-output.js';

interface StudyOptions {
  readonly only: readonly string[];
  readonly seeds: readonly number[];
  readonly jobs: number;
  readonly out: string;
  readonly pageOnly: boolean;
  readonly log: LogForm;
}

/** Results of the grid so far. */
interface Known {
  readonly runs: RunResult[];
  readonly failures: FailedRun[];
}

/** `tributary study`: runs a grid of configs and seeds, and writes the results. */
export function addStudyCommand(program: Command): void {
  program
    .command('study')
    .description('run a grid of configs and seeds, and write the page that compares them')
    .argument('<study>', 'YAML file, such as config/study-shapes.yaml')
    .option('--only <row>', 'only the runs of this row; repeatable', collect, [])
    .option('--seeds <list>', 'only these seeds, such as 1,2', seedList, [])
    .option('--jobs <n>', 'runs at a time, each with the threads of its config', whole(1), 1)
    .option('--out <folder>', 'where results.json, results.md and its charts are written', 'docs')
    .option('--page-only', 'run nothing; write the page from existing results', false)
    .addOption(logOption('text'))
    .action(study);
}

async function study(path: string, { only, seeds, jobs, out, pageOnly, log }: StudyOptions): Promise<void> {
  const loaded = await loadStudy(path);
  requireKnown(loaded, { rows: only, seeds });
  const output = openStudyOutput(log);
  try {
    const prior = await readResults(join(out, RESULTS_FILE), loaded);
    const { known, unfinished } = await lookAround(loaded, prior);
    const write = () => writeStudy(out, loaded, mergeResults(loaded, prior, known).results);
    for (const { row, seed } of mergeResults(loaded, prior, known).dropped)
      output.warn(
        `${out}/${RESULTS_FILE}: left out row "${row}", seed ${seed}: the study has no such run today`,
      );
    const chosen = planRuns(loaded, { rows: only, seeds });
    const toDo = unfinished.filter((run) => chosen.some(({ runPath }) => runPath === run.runPath));
    if (!pageOnly) await carryOut(toDo, { known, write, output, jobs });
    const page = await write();
    output.close();
    for (const { row, seed, failure } of known.failures)
      console.error(`error: row "${row}", seed ${seed}: ${failure}`);
    if (known.failures.length > 0) process.exitCode = 1;
    console.log(`page     ${page}\nresults  ${join(out, RESULTS_FILE)}`);
  } finally {
    output.close();
  }
}

interface Work {
  readonly known: Known;
  readonly write: () => Promise<string>;
  readonly output: StudyOutput;
  readonly jobs: number;
}

/** Runs what is left to do, and writes the page after every run. */
async function carryOut(runs: readonly RunToDo[], { known, write, output, jobs }: Work): Promise<void> {
  const ending = new AbortController();
  let again: Interrupt | undefined;
  const interrupt = watchInterrupt(() => {
    output.warn('stopping once the current round is finished and saved; press Ctrl-C again to stop at once');
    again = watchInterrupt(() => ending.abort());
  });
  const { signal: stopping } = interrupt;
  const program = fileURLToPath(new URL('../main.js', import.meta.url));
  const follow = followStudy(runs);
  const runOne = trainInChild(program, stopping);
  const events$ = runStudy(runs, { runOne, find: findRun, stopping, jobs }).pipe(
    takeUntil(fromEvent(ending.signal, 'abort')),
    concatMap(async (event) => {
      output.show(event, follow(event));
      const name = nameOf(event.run);
      if (event.kind === 'complete') known.runs.push({ ...name, machine: thisMachine(), ...event.figures });
      if (event.kind === 'failed') known.failures.push({ ...name, failure: event.message });
      if (event.kind === 'complete' || event.kind === 'failed') await write();
    }),
  );
  try {
    await lastValueFrom(events$, { defaultValue: undefined });
  } finally {
    interrupt.release();
    again?.release();
  }
}

/** Looks at every run of the study. Complete ones, here or in earlier results, are kept. */
async function lookAround(
  loaded: Study,
  prior: StudyResults,
): Promise<{ known: Known; unfinished: RunToDo[] }> {
  const known: Known = { runs: [], failures: [] };
  const unfinished: RunToDo[] = [];
  for (const run of planRuns(loaded)) {
    const name = nameOf(run);
    const found = await findRun(run);
    // Only earlier results know which machine a finished run ran on.
    if (found.state === 'complete') known.runs.push({ ...name, machine: null, ...found.figures });
    else if (prior.runs.some((earlier) => isSameRun(earlier, name))) continue;
    else if (found.state === 'other') known.failures.push({ ...name, failure: found.failure });
    else unfinished.push({ ...run, found });
  }
  return { known, unfinished };
}

const nameOf = ({ row, seed }: PlannedRun) => ({ row: row.name, seed, fingerprint: row.fingerprint });

function thisMachine(): string {
  const [processor, ...others] = cpus();
  return `${processor?.model.trim() ?? 'unknown processor'}, ${others.length + 1} cores, Node ${process.version}`;
}

function requireKnown(loaded: Study, { rows = [], seeds = [] }: Choice): void {
  const names = loaded.rows.map(({ name }) => name);
  const row = rows.find((one) => !names.includes(one));
  const seed = seeds.find((one) => !loaded.seeds.includes(one));
  if (row === undefined && seed === undefined) return;
  throw new TributaryError(
    'TRIB_USAGE',
    row === undefined
      ? `--seeds: expected some of ${loaded.seeds.join(', ')}, got ${seed}. Add it to the study, or choose one of them.`
      : `--only: expected one of the rows ${names.join(', ')}, got "${row}". Choose one of them.`,
  );
}

function seedList(text: string): number[] {
  const seeds = text.split(',').map((one) => (one.trim() === '' ? Number.NaN : Number(one)));
  if (seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0)) return seeds;
  throw new InvalidArgumentError('Expected whole numbers with commas between them, such as 1,2.');
}
