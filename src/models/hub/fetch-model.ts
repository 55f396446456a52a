import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { TributaryError } from '../../errors.js';
import { writeFault } from '../files/atomic.js';
import { isWhole } from '../files/checksum.js';
import type { Variant } from '../networks/component-weights.js';
import { downloadFile, partialPath, sizeOf } from './download-file.js';
import { type HubFile, type HubOptions, openHubModel } from './hub-client.js';
import { stoppedFault } from './hub-faults.js';
import { isConfig, pipelineFiles } from './pipeline-files.js';

export interface FetchOptions extends HubOptions {
  /** Folder to write to. Complete files in it are kept. */
  readonly out: string;
  /** The precision to prefer if it is published; null for full precision. */
  readonly variant: Variant | null;
  /** Fetches every file of the model, pickles too, instead of those of a pipeline folder. */
  readonly all: boolean;
  /** Milliseconds before a broken download is retried. */
  readonly retryDelayMs: number;
  readonly onProgress: (progress: FetchProgress) => void;
  /**
   * Checks the folder once its configs are there, before any weights are requested: if it throws, the call ends, and a model
   * that cannot be loaded has cost nothing. Not called with `all`.
   *
   * @param files everything that the folder will hold, relative to it.
   */
  readonly checkConfigs: (files: ReadonlySet<string>) => Promise<unknown>;
}

export interface FetchProgress {
  /** The file that is being processed. */
  readonly path: string;
  readonly state: 'checking' | 'receiving' | 'whole';
  /** Bytes of all files so far. */
  readonly bytes: number;
  readonly totalBytes: number;
}

interface FetchedModel {
  readonly commit: string;
  readonly numFiles: number;
  readonly totalBytes: number;
  /** Number of files that were there before. */
  readonly numKept: number;
}

/**
 * Fetches a model from the hub into a folder, one file after another. Complete and partial files of an earlier call are reused;
 * a file with the same name but different content is replaced.
 *
 * Errors: TRIB_MODEL if it is not a pipeline that can be loaded; those of `checkConfigs`; TRIB_FILE if the disk is full or
 * writing fails; TRIB_DOWNLOAD, TRIB_USAGE and TRIB_CANCELLED as `openHubModel` and `downloadFile`.
 */
export async function fetchModel(options: FetchOptions): Promise<FetchedModel> {
  const { out, signal, onProgress, retryDelayMs } = options;
  const model = await openHubModel(options);
  const files = options.all ? model.files : pipelineFiles(model.id, model.files, options);
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const report = (file: HubFile, state: FetchProgress['state'], bytes: number) =>
    onProgress({ path: file.path, state, bytes: done + bytes, totalBytes });

  const missing: HubFile[] = [];
  for (const file of files) {
    report(file, 'checking', 0);
    const kept = await isWhole(join(out, file.path), file, signal).catch((cause: unknown) => {
      throw signal.aborted ? stoppedFault(model.id) : cause;
    });
    if (kept) done += file.size;
    else missing.push(file);
  }
  await requireSpace(out, missing);
  // Small files first: wrong permissions or a wrong token show up at once.
  const download = async (some: readonly HubFile[]) => {
    for (const file of some.toSorted((a, b) => a.size - b.size)) {
      const onBytes = (bytes: number) => report(file, 'receiving', bytes);
      await downloadFile(model, file, join(out, file.path), { onBytes, signal, retryDelayMs });
      done += file.size;
      report(file, 'whole', 0);
    }
  };
  await download(missing.filter(isConfig));
  if (!options.all) await options.checkConfigs(new Set(files.map(({ path }) => path)));
  await download(missing.filter((file) => !isConfig(file)));
  return { commit: model.commit, numFiles: files.length, totalBytes, numKept: files.length - missing.length };
}

/** Formats a number of bytes in powers of ten: `512 B`, `34.2 kB`, `3.44 GB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  // What would round to 1000 of a unit is 1 of the next.
  const power = bytes < 999.5 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes * 1.0005) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : Number(value.toPrecision(3))} ${units[power]}`;
}

async function requireSpace(out: string, missing: readonly HubFile[]): Promise<void> {
  if (missing.length === 0) return;
  await mkdir(out, { recursive: true }).catch((cause) => {
    throw writeFault(out, cause);
  });
  let needed = 0;
  for (const { path, size } of missing)
    needed += Math.max(0, size - (await sizeOf(partialPath(join(out, path)))));
  const { bavail, bsize } = await statfs(out);
  const free = bavail * bsize;
  if (needed <= free) return;
  const text = `${out}: expected ${formatBytes(needed)} of free space for the model, got ${formatBytes(free)}. Free some, or choose a folder on another disk with --out.`;
  throw new TributaryError('TRIB_FILE', text);
}
