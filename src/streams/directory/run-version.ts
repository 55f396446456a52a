import { TributaryError } from '../../errors.js';
import { CONFIG_VERSION } from '../config/source/version.js';

/** The version of the words in the files of a run: that of its config. */
export const RUN_VERSION = CONFIG_VERSION;

/** The fault of a run directory that another version wrote. It is refused before anything in it is changed. */
export function otherVersion(place: string, got: string): TributaryError {
  return new TributaryError(
    'TRIB_CHECKPOINT',
    `${place}: expected version ${RUN_VERSION}, got ${got}: the run was started by a version of this program with other field names. Finish it with that program, or start a new run with another --run-dir, from its adapter with --set model.startFrom=<the adapter of a checkpoint>. Nothing in the directory was changed.`,
  );
}
