/**
 * @file The figures of a run on disk: `metrics.jsonl`, one JSON object a line, and the same as TensorBoard events. The
 * events are made from the lines, so whatever is cut from the lines can be cut from them.
 */
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFault, writeFileAtomic } from '../models/files/atomic.js';
import { parseJsonOrNull } from './parse-json-or-null.js';
import type { Alarm, Evaluation, StageMetrics } from './run-events.js';
import { eventRecord, versionRecord } from './tensorboard/event-record.js';
import { alarmScalars, evaluationScalars, stageScalars } from './tensorboard/run-scalars.js';

/** `time` is ISO 8601, UTC. */
export type MetricsLine =
  | ({ readonly kind: 'stage'; readonly time: string } & StageMetrics)
  | ({ readonly kind: 'evaluation'; readonly time: string } & Evaluation)
  | ({ readonly kind: 'alarm'; readonly time: string } & Alarm);

const METRICS_FILE = 'metrics.jsonl';
/** TensorBoard takes every file whose name contains `tfevents`. */
const EVENTS_FILE = 'events.out.tfevents.tributary';
export const METRICS_FILES = [METRICS_FILE, EVENTS_FILE];

const lineSchema = z.looseObject({
  kind: z.enum(['stage', 'evaluation', 'alarm']),
  time: z.iso.datetime(),
  trainingStage: z.int(),
});

/** Reads the lines of a run; none where there is no file. A line that a crash cut short is left out. */
export async function readMetrics(runPath: string): Promise<MetricsLine[]> {
  const text = await readFile(join(runPath, METRICS_FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return text.split('\n').flatMap((line) => {
    const parsed = lineSchema.safeParse(parseJsonOrNull(line));
    return parsed.success ? [parsed.data as unknown as MetricsLine] : [];
  });
}

/**
 * Replaces what was logged by these lines; the files begin anew.
 *
 * **Errors**: TRIB_FILE.
 */
export async function rewriteMetrics(
  runPath: string,
  lines: readonly MetricsLine[],
  startedAt: Date,
): Promise<void> {
  await writeFileAtomic(join(runPath, METRICS_FILE), lines.map(textOf).join(''));
  const begin = Date.parse(lines[0]?.time ?? startedAt.toISOString()) / 1000;
  const events = Buffer.concat([versionRecord(begin), ...lines.map(eventOf)]);
  await writeFileAtomic(join(runPath, EVENTS_FILE), events);
}

/**
 * Adds a line and its event, and waits until the disk has them. Calls must not overlap.
 *
 * **Errors**: TRIB_FILE.
 */
export async function appendMetrics(runPath: string, line: MetricsLine): Promise<void> {
  await appendFlushed(join(runPath, METRICS_FILE), textOf(line));
  await appendFlushed(join(runPath, EVENTS_FILE), eventOf(line));
}

async function appendFlushed(path: string, data: string | Uint8Array): Promise<void> {
  await appendFile(path, data, { flush: true }).catch((cause: unknown) => {
    throw writeFault(path, cause);
  });
}

function textOf(line: MetricsLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** A stage stands at the number of stages that are complete after it, as evaluations and alarms do. */
function eventOf(line: MetricsLine): Uint8Array {
  const wallTime = Date.parse(line.time) / 1000;
  switch (line.kind) {
    case 'stage':
      return eventRecord({ step: line.trainingStage + 1, wallTime, scalars: stageScalars(line) });
    case 'evaluation':
      return eventRecord({ step: line.trainingStage, wallTime, scalars: evaluationScalars(line) });
    case 'alarm':
      return eventRecord({ step: line.trainingStage, wallTime, scalars: alarmScalars(line) });
    default:
      return line satisfies never;
  }
}
