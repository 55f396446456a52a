/** @file Runs as they lie in their directories, to be compared. */

import { basename, join, resolve } from 'node:path';
import { TributaryError } from '../../errors.js';
import { newestConfigPath, readSavedConfig } from '../directory/saved-config.js';
import type { ReportContent } from '../report/render-report.js';
import { readRecord } from '../report/write-report.js';

/** A run to compare. */
export interface ComparedRun extends Omit<ReportContent, 'config'> {
  /** Unlike that of every other run. */
  readonly label: string;
  readonly path: string;
  /** The config that it was last worked on with, every default filled in; null where it cannot be read. */
  readonly settings: object | null;
}

/**
 * Reads runs, whole or in progress. What of one is missing or damaged stands in its notes.
 *
 * Errors: TRIB_USAGE where there are fewer than two, one stands twice, or there is no run; TRIB_CHECKPOINT where another
 * version wrote one.
 */
export async function readRuns(paths: readonly string[]): Promise<ComparedRun[]> {
  const twice = paths.find(
    (path, index) => paths.findIndex((other) => resolve(other) === resolve(path)) < index,
  );
  if (twice !== undefined) throw fault('different runs', `${twice} twice`, 'Name each once.');
  if (paths.length < 2)
    throw fault('two runs or more', String(paths.length), 'Name their directories, such as runs/a runs/b.');
  const runs = await Promise.all(paths.map(readRun));
  const names = runs.map(({ path, settings }) => nameOf(settings) ?? basename(resolve(path)));
  return runs.map((run, index) => ({ ...run, label: labelOf(index, names, paths) }));
}

async function readRun(path: string): Promise<Omit<ComparedRun, 'label'>> {
  const file = basename(await newestConfigPath(path));
  const saved = await readSavedConfig(path, file).catch((cause: NodeJS.ErrnoException) => {
    throw fault(
      `the directory of a run at ${path}`,
      cause.code ?? cause.message,
      'Name one such as runs/demo.',
    );
  });
  if (saved.state === 'absent')
    throw fault(`the directory of a run at ${path}`, `no ${file} there`, 'Name one such as runs/demo.');
  if (saved.state === 'other-version') throw saved.fault;
  const record = await readRecord(path);
  const isDamaged = saved.state === 'damaged';
  const notes = isDamaged
    ? [`${join(path, file)}: expected the config of the run, got ${saved.damage}; it is not compared.`]
    : [];
  return { ...record, path, settings: isDamaged ? null : saved.settings, notes: [...notes, ...record.notes] };
}

const nameOf = (settings: object | null) =>
  settings !== null && 'name' in settings && typeof settings.name === 'string' ? settings.name : null;

/** Returns the shortest that no other run has: its name, its folder, or its path. */
function labelOf(index: number, names: readonly string[], paths: readonly string[]): string {
  const folders = paths.map((path) => basename(resolve(path)));
  for (const labels of [names, folders]) {
    const label = labels[index] ?? '';
    if (labels.filter((other) => other === label).length === 1) return label;
  }
  return paths[index] ?? '';
}

function fault(expected: string, got: string, nextStep: string): TributaryError {
  return new TributaryError('TRIB_USAGE', `compare: expected ${expected}, got ${got}. ${nextStep}`);
}
