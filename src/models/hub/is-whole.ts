import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { HubFile } from './hub-client.js';

/**
 * Whether a file on disk has the size and the checksum that the hub names; also false where there is none. It is read to
 * its end.
 */
export async function isWhole(
  path: string,
  { size, checksum }: HubFile,
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
