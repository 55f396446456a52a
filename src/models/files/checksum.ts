/** @file Checksums of bytes in memory and of files on disk. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

/** The longest piece that a hash takes at once: Node rejects 2 GiB. */
const MAX_PIECE_BYTES = 2 ** 30;

/** Returns the SHA-256 of content of any size, in hex. `maxPiece` is the longest piece in bytes, for tests. */
export function sha256(content: string | Uint8Array, maxPiece = MAX_PIECE_BYTES): string {
  const hash = createHash('sha256');
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  for (let start = 0; start < bytes.length; start += maxPiece)
    hash.update(bytes.subarray(start, start + maxPiece));
  return hash.digest('hex');
}

/** Size and checksum of a file as the Hugging Face hub states them. */
export interface FileIdentity {
  readonly size: number;
  /** SHA-256 of the content for a large file, git's SHA-1 of a blob for one stored in the repository itself. */
  readonly checksum: { readonly kind: 'sha256' | 'git-blob'; readonly hex: string };
}

/** Whether a file has this size and checksum; false if there is no file. Reads it to the end. */
export async function isWhole(
  path: string,
  { size, checksum }: FileIdentity,
  signal: AbortSignal,
): Promise<boolean> {
  const stats = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return null;
    throw cause;
  });
  if (!stats?.isFile() || stats.size !== size) return false;
  const hash = createHash(checksum.kind === 'sha256' ? 'sha256' : 'sha1');
  // Git hashes a blob with its kind and length in front.
  if (checksum.kind === 'git-blob') hash.update(`blob ${size}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal }))
    hash.update(chunk as Buffer);
  return hash.digest('hex') === checksum.hex;
}
