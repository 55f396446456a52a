/**
 * @file Reads of any length. Node rejects a single read of 2 GiB or more, and `readFile` a file of that size, so weights are
 * read in pieces, and only here. Pickles are recognized, and never read.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { TributaryError } from '../../errors.js';

/** The longest single read. Every system and every version of Node takes it. */
const MAX_READ_BYTES = 2 ** 30;

/**
 * Fills `bytes` from a position in an open file.
 *
 * Errors: those of the operating system, and an `Error` if the file ends too early.
 * @param most bytes in a single read, for tests.
 */
export async function readBytes(
  file: Pick<FileHandle, 'read'>,
  bytes: Uint8Array,
  position: number,
  most = MAX_READ_BYTES,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const wanted = Math.min(bytes.length - done, most);
    const { bytesRead } = await file.read(bytes, done, wanted, position + done);
    if (bytesRead === 0) throw endedAt(position + done);
    done += bytesRead;
  }
}

/** Like `readBytes`, but blocks the thread. */
export function readBytesSync(file: number, bytes: Uint8Array, position: number, most = MAX_READ_BYTES) {
  for (let done = 0; done < bytes.length; ) {
    const bytesRead = readSync(file, bytes, done, Math.min(bytes.length - done, most), position + done);
    if (bytesRead === 0) throw endedAt(position + done);
    done += bytesRead;
  }
}

/** Reads a whole file of any size, never into a `Buffer`, whose `slice` would not copy. Errors: as `readBytes`. */
export async function readWholeFile(
  path: string,
  allocate: (length: number) => ArrayBufferLike = (length) => new ArrayBuffer(length),
): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const bytes = new Uint8Array(allocate(size));
    await readBytes(file, bytes, 0);
    return bytes;
  } finally {
    await file.close();
  }
}

/** Reads part of a file, blocking the thread. Errors: TRIB_FILE if the file cannot be read, or ends too early. */
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
    const text = `${path}: expected ${length} bytes of weights from byte ${offset}, got ${code ?? message}. Copy the file again.`;
    throw new TributaryError('TRIB_FILE', text, { cause });
  }
  return bytes;
}

const endedAt = (position: number) => new Error(`an end after ${position} bytes`);

/** Why a pickle is refused, whatever it may hold. */
export const WHY_NO_PICKLE = 'a pickle, which can run any code when it is loaded and is never read here';

/**
 * Whether a file begins the way torch.save writes it: a zip archive (since 1.6), or the first opcode of a pickle (PROTO,
 * versions 2 to 5). A file's name says nothing about what loading it would do.
 *
 * @param first the first bytes of the file, at least 8 if it has that many.
 */
export function isPickle(first: Uint8Array): boolean {
  const [a, b, c, d] = first;
  const isZip = a === 0x50 && b === 0x4b && c === 3 && d === 4;
  const isProto = a === 0x80 && b !== undefined && b >= 2 && b <= 5;
  // In a safetensors file these are the length of its header: 8 bytes, the last of which are zero.
  return isZip || (isProto && first.subarray(4, 8).some((byte) => byte !== 0));
}
