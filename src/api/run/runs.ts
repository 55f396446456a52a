/** @file The runs that a server shows: one run directory, or those in a folder. */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isThere } from '../../streams/directory/adapter-path.js';
import { CONFIG_FILE } from '../../streams/directory/saved-config.js';
import { METRICS_FILE, RunFolder } from './run-folder.js';

/** More are not looked at. */
const MOST_RUNS = 500;

export class Runs {
  readonly #known = new Map<string, RunFolder>();

  /** @param path of a run directory, which need not be there yet, or of a folder of some. */
  constructor(readonly path: string) {}

  /** All runs, the one that was worked on last first. */
  async list(): Promise<RunFolder[]> {
    if (await isThere(join(this.path, CONFIG_FILE))) return [this.#folder(this.path)];
    const entries = await readdir(this.path, { withFileTypes: true }).catch(() => []);
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(this.path, name));
    const found: { readonly path: string; readonly changedAt: number }[] = [];
    for (const path of folders) {
      if (found.length === MOST_RUNS) break;
      if (await isThere(join(path, CONFIG_FILE))) found.push({ path, changedAt: await changedAt(path) });
    }
    found.sort((a, b) => b.changedAt - a.changedAt);
    // What is no folder of runs is where one will begin.
    return found.length === 0 ? [this.#folder(this.path)] : found.map(({ path }) => this.#folder(path));
  }

  /** The run with this id, or the one that was worked on last; undefined where there is none of that id. */
  async find(id?: string): Promise<RunFolder | undefined> {
    const runs = await this.list();
    return id === undefined ? runs[0] : runs.find((run) => run.id === id);
  }

  #folder(path: string): RunFolder {
    const folder = this.#known.get(path) ?? new RunFolder(path);
    this.#known.set(path, folder);
    return folder;
  }
}

async function changedAt(path: string): Promise<number> {
  const log = await stat(join(path, METRICS_FILE)).catch(() =>
    stat(join(path, CONFIG_FILE)).catch(() => null),
  );
  return log?.mtimeMs ?? 0;
}
