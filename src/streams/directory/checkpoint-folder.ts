/**
 * @file Checkpoints of a run: `checkpoints/<complete rounds>/`, each with a manifest of checksums. A checkpoint
 * is whole when every file of its manifest is there, bit for bit.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import { type FolderContent, writeDirectoryAtomic } from '../../models/files/atomic.js';
import { sha256 } from '../../models/files/checksum.js';
import { parseJsonOrNull } from '../../models/files/json-file.js';
import { readWholeFile } from '../../models/files/read-bytes.js';

export interface Checkpoint {
  readonly path: string;
  /** Rounds that were complete; training goes on with the round of this index. */
  readonly completeRounds: number;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const MANIFEST = 'manifest.json';
const manifestSchema = z.strictObject({
  version: z.literal(RUN_VERSION),
  completeRounds: z.int().min(0),
  fingerprint: z.string(),
  files: z.record(z.string(), z.string()),
});

import { otherVersion, RUN_VERSION } from './run-version.js';

/** A manifest of any version. */
const anyVersion = z.object({ version: z.number(), files: z.object() });

interface CheckpointContent {
  readonly completeRounds: number;
  /** Names the config that the checkpoint belongs to. */
  readonly fingerprint: string;
  readonly files: FolderContent;
}

/**
 * Writes a checkpoint, all or nothing, and then removes all but the newest `keep`. Returns its path.
 *
 * Errors: TRIB_FILE; older checkpoints stay as they were.
 */
export async function writeCheckpoint(
  folder: string,
  { completeRounds, fingerprint, files }: CheckpointContent,
  keep: number,
): Promise<string> {
  const path = join(folder, String(completeRounds));
  const manifest: z.infer<typeof manifestSchema> = {
    version: RUN_VERSION,
    completeRounds,
    fingerprint,
    files: Object.fromEntries(Object.entries(files).map(([name, content]) => [name, sha256(content)])),
  };
  await writeDirectoryAtomic(path, { ...files, [MANIFEST]: `${JSON.stringify(manifest, null, 2)}\n` });
  const older = (await checkpointNumbers(folder)).filter((number) => number <= completeRounds);
  for (const number of older.slice(keep)) await rm(join(folder, String(number)), { recursive: true });
  return path;
}

/**
 * Reads the newest whole checkpoint; null if there is none. `warn` takes a message for each damaged one.
 *
 * Errors: TRIB_CHECKPOINT where it belongs to another config, or another version wrote it.
 */
export async function readNewestCheckpoint(
  folder: string,
  fingerprint: string,
  warn: (message: string) => void,
): Promise<Checkpoint | null> {
  for (const number of await checkpointNumbers(folder)) {
    const path = join(folder, String(number));
    const read = await readCheckpoint(path);
    if ('damage' in read) {
      warn(`${path}: expected a whole checkpoint, got ${read.damage}. It is skipped.`);
    } else if (read.fingerprint !== fingerprint) {
      throw new TributaryError(
        'TRIB_CHECKPOINT',
        `${path}: expected a checkpoint of this config, got one of another. Resume with the config it was made with, or start a new run with another --run-dir.`,
      );
    } else return { path, completeRounds: read.completeRounds, files: read.files };
  }
  return null;
}

/** Reads one checkpoint, or says what of it is damaged. Errors: TRIB_CHECKPOINT where another version wrote it. */
export async function readCheckpoint(
  path: string,
): Promise<{ damage: string } | (Omit<Checkpoint, 'path'> & { fingerprint: string })> {
  const text = await readFile(join(path, MANIFEST), 'utf8').catch(() => null);
  if (text === null) return { damage: `one without ${MANIFEST}` };
  const content = parseJsonOrNull(text);
  const old = anyVersion.safeParse(content);
  if (old.success && old.data.version < RUN_VERSION)
    throw otherVersion(`${join(path, MANIFEST)} version`, String(old.data.version));
  const manifest = manifestSchema.safeParse(content);
  if (!manifest.success) return { damage: `a ${MANIFEST} that does not parse` };
  const files = new Map<string, Uint8Array>();
  for (const [name, checksum] of Object.entries(manifest.data.files)) {
    const content = await readWholeFile(join(path, name)).catch(() => null);
    if (content === null) return { damage: `one without ${name}` };
    if (sha256(content) !== checksum) return { damage: `one whose ${name} has another checksum` };
    files.set(name, content);
  }
  const { completeRounds, fingerprint } = manifest.data;
  return { completeRounds, fingerprint, files };
}

/** Numbers of the checkpoints, newest first; temporary folders have other names. */
async function checkpointNumbers(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => b - a);
}
