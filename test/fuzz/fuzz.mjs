/**
 * @file Gives damaged files to every reader of the program: a fault must be a TributaryError, found within a second and
 * 500 MB.
 *
 *     npm run fuzz -- [--seed 7] [--runs 20000] [--text-runs 2000] [--only scheduler]
 *
 * Ends with 1 where there is a fault, and prints the smallest file that shows it. The same seed gives the same files.
 */
import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readers } from './readers/index.mjs';

/** A reader that takes longer for one file than this hangs. */
const HANG_MS = 60_000;
const PROCESSES = 2;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(process.hrtime.bigint() % 2n ** 31n) },
    runs: { type: 'string', default: '20000' },
    'text-runs': { type: 'string', default: '2000' },
    only: { type: 'string', default: '' },
  },
});
console.log(`seed ${values.seed}`);
const waiting = readers.filter(({ name }) => name.includes(values.only));
const rows = [];
let faults = 0;
await Promise.all(
  Array.from({ length: PROCESSES }, async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await report(next);
  }),
);
console.table(rows);
console.log(`${rows.length} readers, ${faults} faults`);
process.exit(faults === 0 ? 0 : 1);

async function report({ name, isSlow }) {
  const runs = isSlow ? values['text-runs'] : values.runs;
  const { counts, faults: found } = await fuzz(name, runs);
  faults += found.length;
  for (const { kind, detail, file } of found)
    console.log(`FAULT ${name}: ${kind}\n${detail}\nfile: ${file}\n`);
  rows.push({
    reader: name,
    files: runs,
    read: counts.read,
    refused: counts.refused,
    'slowest s': counts.seconds.toFixed(2),
    'most MB': Math.round(counts.mb),
    faults: found.length,
  });
  console.log(`${name}: ${runs} files, ${found.length} faults`);
}

/** Lets a process of its own do it, and ends it where it hangs. */
async function fuzz(reader, runs) {
  const folder = await mkdtemp(join(tmpdir(), 'tributary-fuzz-'));
  const program = join(import.meta.dirname, 'fuzz-reader.mjs');
  const child = fork(
    program,
    ['--reader', reader, '--folder', folder, '--seed', values.seed, '--runs', String(runs)],
    { execArgv: ['--max-old-space-size=2048'] },
  );
  const lost = (kind, detail) => ({
    counts: { read: 0, refused: 0, seconds: 0, mb: 0 },
    faults: [{ kind, detail, file: join(folder, 'last-file') }],
  });
  const ended = await new Promise((resolve) => {
    let report = null;
    const hang = setTimeout(() => {
      report = lost('hangs', `nothing for ${HANG_MS / 1000} s`);
      child.kill('SIGKILL');
    }, HANG_MS);
    child.on('message', (message) => {
      hang.refresh();
      if (message.kind === 'ended') report = message;
    });
    child.on('exit', (code, signal) => {
      clearTimeout(hang);
      resolve(report ?? lost('the process ended', `exit ${code ?? signal}`));
    });
  });
  // The file that a process died of is kept.
  if (ended.faults.every(({ file }) => !file.startsWith(folder))) await rm(folder, { recursive: true });
  return ended;
}
