import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TributaryError } from '../../../errors.js';
import { writeFileAtomic } from '../../../models/files/atomic.js';
import type { PayloadStore } from './payload-store.js';

/**
 * Creates a store in a folder that every process of the run reaches, such as a network mount. A payload lies at
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

    async get({ size, sha256 }) {
      if (!/^[0-9a-f]{64}$/.test(sha256))
        throw claimFault('expected a SHA-256 in hexadecimal', JSON.stringify(sha256.slice(0, 80)));
      const path = pathOf(sha256);
      const found = await sizeOf(path);
      if (found === null) throw claimFault(`expected the file ${path}`, 'none', { retryable: true });
      if (found !== size) throw claimFault(`expected ${size} bytes in ${path}`, `${found}`);
      const bytes = await readFile(path);
      const hash = hashOf(bytes);
      if (hash !== sha256)
        throw claimFault(`expected the claimed bytes in ${path}`, `some with SHA-256 ${hash}`);
      return bytes;
    },
  };
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
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

function claimFault(expected: string, got: string, context: { retryable?: boolean } = {}): TributaryError {
  const nextStep =
    'Check that all processes use one payload store, and that it keeps payloads as long as the topics.';
  return new TributaryError('TRIB_MESSAGE', `claim: ${expected}, got ${got}. ${nextStep}`, context);
}
