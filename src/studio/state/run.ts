/** @file The run that the server is in. */

import { signal } from '@preact/signals';
import type { MetricsLine, RunInfo, RunProgress } from '../../client/types.js';
import { runAddress } from '../api/addresses.js';
import { request } from '../api/request.js';
import { MetricsTable } from './table.js';

/** What is known of the run; null before the first answer. */
export const runInfo = signal<RunInfo | null>(null);

/** How far it is inside its round. */
export const progress = signal<RunProgress | null>(null);

const table = new MetricsTable();

/** The figures of the run. Its object stays the same: `tick` says when it has changed. */
export const runTable = () => table;

/** Raised when charts should be drawn anew, at most every `TICK_MS`. */
export const tick = signal(0);
const TICK_MS = 400;

let nextLine = 0;
let isPending = false;

function changed(): void {
  if (isPending) return;
  isPending = true;
  setTimeout(() => {
    isPending = false;
    tick.value++;
  }, TICK_MS);
}

/** Asks for the run, and for the lines of its log that are missing. */
export async function loadRun(): Promise<void> {
  const info = await request<RunInfo>(runAddress(null));
  if (runInfo.value && info.id !== runInfo.value.id) location.reload();
  runInfo.value = info;
  progress.value = info.progress;
  await loadLines();
}

let isLoading = false;

async function loadLines(): Promise<void> {
  if (isLoading) return;
  isLoading = true;
  try {
    for (let isMore = true; isMore; ) {
      const { lines, next } = await linesOf(null, nextLine);
      // The log is shorter than it was: it is another one.
      if (next < nextLine) location.reload();
      for (const line of lines) table.add(line);
      isMore = next > nextLine;
      nextLine = Math.max(next, nextLine);
      changed();
    }
  } finally {
    isLoading = false;
  }
}

interface Lines {
  readonly lines: readonly MetricsLine[];
  readonly next: number;
}

/** The lines of a run's log from one on. */
export function linesOf(run: string | null, after: number): Promise<Lines> {
  return request<Lines>(`${runAddress(run)}/metrics?after=${after}`);
}

/** Takes in a line of the log. One that does not follow the last shows that some were missed. */
export function noteLine(line: number, entry: MetricsLine): void {
  if (line < nextLine) return;
  if (line > nextLine) {
    loadLines().catch(() => undefined);
    return;
  }
  nextLine = line + 1;
  table.add(entry);
  if (entry.kind === 'round' && runInfo.value)
    runInfo.value = { ...runInfo.value, round: entry.round + 1, policyVersion: entry.policyVersion };
  changed();
}
