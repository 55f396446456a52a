import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastValueFrom, tap, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import type { RunToDo } from '../../../src/streams/study/run-study.js';
import { trainArguments, trainInChild } from '../../../src/streams/study/train-in-child.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { exampleStudy, runsToDo } from './example-study.js';

const [run] = runsToDo(exampleStudy()) as [RunToDo];

/** A stand-in for the program. */
async function program(code: string): Promise<string> {
  const path = join(await temporaryFolder(), 'program.mjs');
  await writeFile(path, code);
  return path;
}

const LOG = `
console.error(JSON.stringify({ level: 30, round: 0, selectedSamples: 4, msg: 'round trained' }));
console.error(JSON.stringify({ level: 30, round: 1, msg: 'policy evaluated' }));
console.error(JSON.stringify({ level: 40, msg: 'no checkpoint' }));
`;

describe('trainInChild', () => {
  test('should read rounds and warnings from the log', async () => {
    const train = trainInChild(await program(LOG), new AbortController().signal);
    expect(await lastValueFrom(train(run).pipe(toArray()))).toEqual([
      { kind: 'round', completeRounds: 1 },
      { kind: 'warning', message: 'no checkpoint' },
    ]);
  });

  test('should end with the fault that the program prints, or with how it ended', async () => {
    const { signal } = new AbortController();
    const faulty = trainInChild(await program("console.error('error: disk full'); process.exit(1);"), signal);
    expect(await lastValueFrom(faulty(run))).toEqual({ kind: 'failed', message: 'disk full' });
    const killed = trainInChild(await program("process.kill(process.pid, 'SIGKILL');"), signal);
    expect(await lastValueFrom(killed(run))).toEqual({
      kind: 'failed',
      message: 'tributary train: expected exit code 0, got SIGKILL',
    });
  });

  test('should ask once to stop, and wait for what is saved then', async () => {
    const stop = new AbortController();
    const waiting = await program(
      `process.on('SIGTERM', () => { console.error(JSON.stringify({ level: 40, msg: 'stopping' }));
        console.error(JSON.stringify({ round: 4, selectedSamples: 4 })); process.exit(0); });
      setInterval(() => {}, 1000);
      ${LOG}`,
    );
    const events$ = trainInChild(
      waiting,
      stop.signal,
    )(run).pipe(
      tap(({ kind }) => {
        if (kind === 'round') stop.abort();
      }),
      toArray(),
    );
    expect((await lastValueFrom(events$)).at(-1)).toEqual({ kind: 'round', completeRounds: 5 });
  });
});

describe('trainArguments', () => {
  test('should name preset, changes, seed and directory, and resume what was begun', () => {
    const args = trainArguments(run);
    expect(args.join(' ')).toBe(
      'train config/presets/small.yaml --set stages.prompts.numRounds=2 --set stages.sampler.numBranches=4 --set seed=1 --run-dir runs/example/plain/seed-1 --json',
    );
    expect(trainArguments({ ...run, found: { state: 'begun', completeRounds: 1 } })).toContain('--resume');
  });
});
