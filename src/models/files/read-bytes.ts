/**
 * @file Reads of any length. Node refuses a single read of 2 GiB or more, and `readFile` a file of that size, so that
 * weights are read in pieces, here and nowhere else.
 */
import { readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Longest single read. Every system and every version of Node takes it. */
const MOST_BYTES_A_READ = 2 ** 30;

/**
 * Fills `bytes` from a place of an open file.
 *
 * Errors: those of the operating system, and an `Error` where the file ends before.
 *
 * @param most bytes of a single read, for tests.
 */
export async function readBytes(
  file: Pick<FileHandle, 'read'>,
  bytes: Uint8Array,
  position: number,
  most = MOST_BYTES_A_READ,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const wanted = Math.min(bytes.length - done, most);
    const { bytesRead } = await file.read(bytes, done, wanted, position + done);
    if (bytesRead === 0) throw endedAt(position + done);
    done += bytesRead;
  }
}

/** As `readBytes`, for a thread that has nothing else to do meanwhile. */
export function readBytesSync(
  file: number,
  bytes: Uint8Array,
  position: number,
  most = MOST_BYTES_A_READ,
): void {
  for (let done = 0; done < bytes.length; ) {
    const bytesRead = readSync(file, bytes, done, Math.min(bytes.length - done, most), position + done);
    if (bytesRead === 0) throw endedAt(position + done);
    done += bytesRead;
  }
}

/**
 * Reads a whole file, of any size, into memory of its own: never a `Buffer`, whose `slice` would be no copy.
 *
 * Errors: as `readBytes`.
 */
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

const endedAt = (place: number) => new Error(`an end after ${place} bytes`);
