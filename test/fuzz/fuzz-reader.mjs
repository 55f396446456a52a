/**
 * @file Damages the files of one reader and gives them to it, in a process of its own (fuzz.mjs starts it). A fault is an
 * error without a code, a second of processor time, or 500 MB more of resident memory, for one file.
 *
 * Memory: the kernel's high-water mark is set back before each file. Where it cannot be, only its growth is seen.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { readers } from './readers/index.mjs';

const MOST_SECONDS = 1;
const MOST_MB = 500;
/** Faults of one kind hide others behind them: so many kinds are looked for. */
const MOST_KINDS = 8;
const SIGN_OF_LIFE_MS = 1_000;
/** What was being read when a reader hung, or its process died. */
const LAST_FILE = 'last-file';

class Fault extends Error {
  constructor(fault) {
    super(fault.kind);
    this.fault = fault;
  }
}

const { values } = parseArgs({
  options: {
    reader: { type: 'string' },
    folder: { type: 'string' },
    seed: { type: 'string' },
    runs: { type: 'string' },
  },
});
let lastSign = performance.now();
const known = new Map();
const counts = { read: 0, refused: 0, seconds: 0, mb: 0 };

const reader = await readers.find(({ name }) => name === values.reader).open(values.folder);
const property = fc.asyncProperty(reader.files, async (file) => {
  writeFileSync(join(values.folder, LAST_FILE), file);
  if (performance.now() - lastSign > SIGN_OF_LIFE_MS) {
    lastSign = performance.now();
    process.send({ kind: 'at work' });
  }
  const fault = await faultOf(file);
  if (!fault || known.has(fault.kind)) return;
  // To look for a smaller file would take as long again and again.
  if (fault.isCostly) known.set(fault.kind, { ...fault, file: shown(file) });
  else throw new Fault(fault);
});
// What the reader loads once, such as a library, is no file's fault.
await faultOf(Buffer.alloc(0));
Object.assign(counts, { read: 0, refused: 0, seconds: 0, mb: 0 });
for (let looks = 0; looks < MOST_KINDS; looks++) {
  const result = await fc.check(property, { seed: Number(values.seed), numRuns: Number(values.runs) });
  if (!result.failed) break;
  const { fault } = result.errorInstance ?? {};
  if (!fault) throw result.errorInstance;
  known.set(fault.kind, { ...fault, file: shown(result.counterexample[0]) });
}
process.send({ kind: 'ended', counts, faults: [...known.values()] });
process.disconnect();

async function faultOf(file) {
  const restingMb = resetPeak();
  const before = process.cpuUsage();
  let error = null;
  try {
    await reader.read(file);
    counts.read += 1;
  } catch (thrown) {
    error = thrown;
    counts.refused += 1;
  }
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  const mb = peakMb() - restingMb;
  counts.seconds = Math.max(counts.seconds, seconds);
  counts.mb = Math.max(counts.mb, mb);
  if (error !== null && !hasCode(error)) {
    const place = /\/dist\/(\S+?):\d+/.exec(error?.stack ?? '')?.[1] ?? '';
    return {
      kind: `no code: ${error?.name} in ${place}`,
      detail: String(error?.stack ?? error).slice(0, 2_000),
    };
  }
  if (seconds > MOST_SECONDS) return { isCostly: true, kind: 'slow', detail: `${seconds.toFixed(1)} s` };
  if (mb > MOST_MB) return { isCostly: true, kind: 'large', detail: `${Math.round(mb)} MB` };
  return null;
}

function hasCode(error) {
  return error?.name === 'TributaryError' && error.code !== 'TRIB_INTERNAL';
}

/** Sets the high-water mark of resident memory to what is resident now, and returns that. */
function resetPeak() {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Another system, or no right to do it.
  }
  return peakMb();
}

function peakMb() {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}

/** A file for a report: as text where it is, else in base64. */
function shown(file) {
  const text = Buffer.from(file).toString('utf8');
  const isText = Buffer.from(text).equals(Buffer.from(file));
  const whole = isText ? JSON.stringify(text) : `base64 ${Buffer.from(file).toString('base64')}`;
  return whole.length > 1_500 ? `${whole.slice(0, 1_500)}... (${file.length} bytes)` : whole;
}
