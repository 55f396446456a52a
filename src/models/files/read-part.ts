/** @file A part of a large file, read by a thread that has nothing else to do meanwhile. */

import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { TributaryError } from '../../errors.js';
import { readBytesSync } from './read-bytes.js';

/**
 * Reads a part of a file, which blocks the thread.
 * @throws TRIB_FILE where the file cannot be read, or ends before.
 */
export function readPart(folder: string, location: string, offset: number, length: number): Uint8Array {
  const path = join(folder, location);
  const bytes = new Uint8Array(length);
  try {
    const file = openSync(path, 'r');
    try {
      readBytesSync(file, bytes, offset);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new TributaryError(
      'TRIB_FILE',
      `${path}: expected ${length} bytes of weights from byte ${offset}, got ${code ?? message}. Copy the file again.`,
      { cause },
    );
  }
  return bytes;
}
