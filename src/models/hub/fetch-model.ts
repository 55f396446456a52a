import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { TributaryError } from '../../errors.js';
import { writeFault } from '../files/atomic.js';
import { isWhole } from '../files/checksum.js';
import { downloadFile, partialPath, sizeOf } from './download-file.js';
import { type HubFile, type HubOptions, openHubModel } from './hub-client.js';
import { stoppedFault } from './hub-faults.js';
import { isConfig, pipelineFiles, type Variant } from './pipeline-files.js';

export interface FetchOptions extends HubOptions {
  /** Folder to write; what is whole in it is kept. */
  readonly out: string;
  /** The precision that is preferred where it is published; null for full precision. */
  readonly variant: Variant | null;
  /** Every file of the model, pickles too, instead of those of a pipeline folder. */
  readonly all: boolean;
  /** Milliseconds before a broken download is tried again. */
  readonly retryDelayMs: number;
  readonly onProgress: (progress: FetchProgress) => void;
  /**
   * Looks at the folder once its configs are there, and before any weights are asked for: what it throws ends the call, and
   * a model that could not be loaded has cost nothing. Not called with `all`.
   * @param files all that the folder will hold, relative to it.
   */
  readonly checkConfigs: (files: ReadonlySet<string>) => Promise<unknown>;
}

export interface FetchProgress {
  /** The file that is being looked at. */
  readonly path: string;
  readonly state: 'checking' | 'receiving' | 'whole';
  /** Bytes of all files that are here. */
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface FetchedModel {
  readonly commit: string;
  readonly numFiles: number;
  readonly totalBytes: number;
  /** Files that were here before. */
  readonly numKept: number;
}

/**
 * Fetches a model from the hub into a folder, one file after the other. What an earlier call has left, whole files and
 * parts of one, is used; a file of that name with other content is replaced.
 *
 * Errors: TRIB_MODEL where it is no pipeline that could be loaded; those of `checkConfigs`; TRIB_FILE where the disk has
 * no room or refuses; TRIB_DOWNLOAD, TRIB_USAGE and TRIB_CANCELLED as `openHubModel` and `downloadFile`.
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
  // Small files first: what is wrong with the rights or the token shows at once.
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
