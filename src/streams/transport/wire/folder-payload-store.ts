import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TributaryError } from '../../../errors.js';
import { writeFileAtomic } from '../../../models/files/atomic.js';
import type { PayloadStore } from './payload-store.js';
import { claimedBytes, hashOf, missingFault, requireHash, requireSize } from './payload-store.js';

/**
 * Creates a store in a folder that all processes of the run can reach, such as a network mount. A payload lies at
 * `<first two digits>/<hash>`, written whole or not at all.
 */
export function createFolderPayloadStore(folder: string): PayloadStore {
  const pathOf = (sha256: string) => join(resolve(folder), sha256.slice(0, 2), sha256);
  return {
    async put(bytes) {
      const sha256 = hashOf(bytes);
      const path = pathOf(sha256);
      if ((await sizeOf(path)) !== bytes.length) await writeFileAtomic(path, bytes);
      return { uri: pathToFileURL(path).href, size: bytes.length, sha256 };
    },

    async get(claim) {
      requireHash(claim);
      const path = pathOf(claim.sha256);
      const found = await sizeOf(path);
      if (found === null) throw missingFault(`the file ${path}`);
      requireSize(claim, found, path);
      return claimedBytes(claim, await readFile(path), path);
    },
  };
}

async function sizeOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ size }) => size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw new TributaryError(
        'TRIB_FILE',
        `payload ${path}: expected a file that can be read, got ${error.code}. Check the folder of the payload store.`,
        { cause: error },
      );
    },
  );
}
