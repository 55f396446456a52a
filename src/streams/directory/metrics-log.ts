/**
 * @file The figures of a run on disk: `metrics.jsonl`, one JSON object a line, and TensorBoard events, which are always made
 * from the lines.
 */
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFault, writeFileAtomic } from '../../models/files/atomic.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { type MetricsLine, parseMetricsLine } from './metrics-line.js';
import { readSamples, sampleRounds } from './run-samples.js';
import { otherVersion } from './run-version.js';
import { eventRecord, type PictureEvent, pictureRecord, versionRecord } from './tensorboard/event-record.js';
import { alarmScalars, evaluationScalars, roundScalars } from './tensorboard/run-scalars.js';
import { configRecords, learningRateOf } from './tensorboard/run-summaries.js';

const METRICS_FILE = 'metrics.jsonl';
/** Lines that could not be used, unchanged. */
const DAMAGED_METRICS_FILE = 'metrics.damaged.jsonl';
/** TensorBoard takes every file whose name contains `tfevents`. */
const EVENTS_FILE = 'events.out.tfevents.tributary';
export const METRICS_FILES = [METRICS_FILE, DAMAGED_METRICS_FILE, EVENTS_FILE] as const;

/** A line that cannot be used. */
export interface DamagedLine {
  /** Counted from 1. */
  readonly number: number;
  readonly bytes: Uint8Array;
  /** What was expected of it. */
  readonly damage: string;
}

interface MetricsLog {
  /** The lines that can be used, in the order of the run, each round and each evaluation once. */
  readonly lines: readonly MetricsLine[];
  readonly damaged: readonly DamagedLine[];
}

/**
 * Reads the log of a run; empty if there is no file. A line is whole if it is JSON and every figure has its type. Whole lines
 * are put in order. Of two about the same thing the later counts, as a resumed run repeats what was cut off; the earlier
 * one counts as damaged. So does a last line that a crash cut short.
 *
 * Errors: TRIB_CHECKPOINT where another version wrote the log; those of the file system.
 */
export async function readMetrics(runPath: string): Promise<MetricsLog> {
  const path = join(runPath, METRICS_FILE);
  const content = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  });
  const damaged: DamagedLine[] = [];
  const whole = new Map<
    string,
    { readonly line: MetricsLine; readonly number: number; readonly bytes: Buffer }
  >();
  for (const [index, bytes] of linesOf(content).entries()) {
    if (bytes.length === 0) continue;
    const number = index + 1;
    const line = parseMetricsLine(bytes);
    if ('damage' in line) {
      if (line.isOld) throw otherVersion(`${path} line ${number}`, '1');
      damaged.push({ number, bytes, damage: line.damage });
      continue;
    }
    const subject = subjectOf(line);
    const earlier = whole.get(subject);
    if (earlier) damaged.push({ ...earlier, damage: `line ${number} is of the same ${line.kind}` });
    // Deleted first, so that it moves to the end.
    whole.delete(subject);
    whole.set(subject, { line, number, bytes });
  }
  return {
    lines: [...whole.values()].map(({ line }) => line).sort((a, b) => placeOf(a) - placeOf(b)),
    damaged: damaged.sort((a, b) => a.number - b.number),
  };
}

/** Lines as bytes: a damaged one may not be text. */
function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let from = 0;
  for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, from)) {
    lines.push(bytes.subarray(from, end));
    from = end + 1;
  }
  return [...lines, bytes.subarray(from)];
}

/** Equal for two lines of which only one counts. */
function subjectOf(line: MetricsLine): string {
  return `${line.kind} ${line.round} ${line.kind === 'alarm' ? line.guard : ''}`;
}

/** The order of lines: a round comes before the evaluation and the alarms after it. */
function placeOf(line: MetricsLine): number {
  return line.kind === 'round' ? line.round + 0.5 : line.round;
}

/**
 * Appends lines that could not be used to a file of their own.
 *
 * Errors: TRIB_FILE.
 */
export async function setAside(runPath: string, damaged: readonly DamagedLine[]): Promise<string> {
  const path = join(runPath, DAMAGED_METRICS_FILE);
  await appendFlushed(path, Buffer.concat(damaged.flatMap(({ bytes }) => [bytes, Buffer.of(10)])));
  return path;
}

/**
 * Replaces the log by these lines.
 *
 * Errors: TRIB_FILE.
 */
export async function rewriteMetrics(
  runPath: string,
  lines: readonly MetricsLine[],
  startedAt: Date,
  config?: ResolvedConfig,
): Promise<void> {
  await writeFileAtomic(join(runPath, METRICS_FILE), lines.map(textOf).join(''));
  const begin = Date.parse(lines[0]?.time ?? startedAt.toISOString()) / 1000;
  const events = Buffer.concat([
    versionRecord(begin),
    ...(config ? configRecords(config, begin) : []),
    ...lines.map((line) => eventOf(line, config)),
    ...(await pictureRecords(runPath, begin)),
  ]);
  await writeFileAtomic(join(runPath, EVENTS_FILE), events);
}

/**
 * Appends a line and its event, and flushes both to disk. Calls must not overlap.
 *
 * Errors: TRIB_FILE.
 */
export async function appendMetrics(
  runPath: string,
  line: MetricsLine,
  config?: ResolvedConfig,
): Promise<void> {
  await appendFlushed(join(runPath, METRICS_FILE), textOf(line));
  await appendFlushed(join(runPath, EVENTS_FILE), eventOf(line, config));
}

/** Appends the event of a grid of pictures. Errors: TRIB_FILE. */
export async function appendPicture(
  runPath: string,
  picture: Omit<PictureEvent, 'tag' | 'width' | 'height'>,
): Promise<void> {
  await appendFlushed(join(runPath, EVENTS_FILE), gridRecord(picture));
}

/** The grids that are there, at the rounds of their names; one that is damaged is left out. */
async function pictureRecords(runPath: string, wallTime: number): Promise<Uint8Array[]> {
  const records: Uint8Array[] = [];
  for (const step of await sampleRounds(runPath)) {
    const samples = await readSamples(runPath, step);
    if ('png' in samples) records.push(gridRecord({ step, wallTime, png: samples.png }));
  }
  return records;
}

function gridRecord({ png, ...event }: Omit<PictureEvent, 'tag' | 'width' | 'height'>): Uint8Array {
  const header = new DataView(png.buffer, png.byteOffset);
  const size = { width: header.getUint32(16), height: header.getUint32(20) };
  return pictureRecord({ ...event, ...size, png, tag: 'samples' });
}

async function appendFlushed(path: string, data: string | Uint8Array): Promise<void> {
  await appendFile(path, data, { flush: true }).catch((cause: unknown) => {
    throw writeFault(path, cause);
  });
}

function textOf(line: MetricsLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** The step of an event is the number of complete rounds. */
function eventOf(line: MetricsLine, config: ResolvedConfig | undefined): Uint8Array {
  const wallTime = Date.parse(line.time) / 1000;
  switch (line.kind) {
    case 'round':
      return eventRecord({
        step: line.round + 1,
        wallTime,
        scalars: roundScalars(line, config ? learningRateOf(config, line) : null),
      });
    case 'evaluation':
      return eventRecord({ step: line.round, wallTime, scalars: evaluationScalars(line) });
    case 'alarm':
      return eventRecord({ step: line.round, wallTime, scalars: alarmScalars(line) });
    default:
      return line satisfies never;
  }
}
