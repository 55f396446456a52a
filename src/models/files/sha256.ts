import { createHash } from 'node:crypto';

/** Longest piece that a hash takes at once: Node refuses 2 GiB. */
const MOST_BYTES_A_PIECE = 2 ** 30;

/**
 * SHA-256 of content of any size, in hex.
 *
 * @param most bytes of one piece, for tests.
 */
export function sha256(content: string | Uint8Array, most = MOST_BYTES_A_PIECE): string {
  const hash = createHash('sha256');
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  for (let start = 0; start < bytes.length; start += most) hash.update(bytes.subarray(start, start + most));
  return hash.digest('hex');
}
