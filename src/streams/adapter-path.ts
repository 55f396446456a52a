import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TributaryError } from '../errors.js';
import { ADAPTER_FILE, WEIGHTS_FILE } from './checkpoint-files.js';

/**
 * The file of the policy that a path means: itself, or that of a run, of a checkpoint or of `best/` where it is a folder.
 *
 * **Errors**: TRIB_FILE where the folder has none.
 */
export async function adapterPathOf(path: string): Promise<string> {
  if (!(await isFolder(path))) return path;
  const file = join(path, ADAPTER_FILE);
  for (const candidate of [file, join(path, WEIGHTS_FILE)]) {
    const found = await stat(candidate).catch(() => null);
    if (found) return candidate;
  }
  throw new TributaryError(
    'TRIB_FILE',
    `${file}: expected the adapter of a run that ended or was stopped, got no such file. Resume the run, or name the adapter of one of its checkpoints.`,
  );
}

/** Whether a path is a folder that is there. */
export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
