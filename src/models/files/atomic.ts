/**
 * @file Files and folders that appear whole or not at all: everything is written under another name beside the final
 * one, flushed to the disk, and renamed. What a crash leaves behind begins with a dot and ends in `.tmp`; nothing reads
 * it.
 */
import { constants, copyFile, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { threadId } from 'node:worker_threads';
import { TributaryError } from '../../errors.js';

/** Relative paths inside a folder, and what their files hold. */
export type FolderContent = Readonly<Record<string, string | Uint8Array>>;

/** The content of another file, which is copied without being read into memory. */
export interface CopyOf {
  readonly copyOf: string;
}

/** Content that comes in pieces, each of which is written before the next is asked for. */
export interface InPieces {
  readonly pieces: AsyncIterable<Uint8Array>;
}

export type FileContent = string | Uint8Array | CopyOf | InPieces;

/**
 * Writes a file, replacing an older one atomically; makes the folder it lies in. A reader sees the old bytes or the new
 * ones, also after a crash.
 *
 * Errors: TRIB_FILE, with the operating system's code in the text; the old file is left as it was.
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFlushed(temporary, content);
    await rename(temporary, path);
    await flushFolder(dirname(path));
  } catch (cause) {
    await removeQuietly(temporary);
    throw writeFault(path, cause);
  }
}

/**
 * Writes a folder whose files belong together (a checkpoint). Under the final name there is never a part of it. An
 * older folder of that name is moved aside first and removed last: a crash exactly between the two renames leaves no
 * folder under the name, and both folders among `leftoversOf` it.
 *
 * Errors: TRIB_FILE, with the operating system's code in the text; those of content that comes in pieces. An older folder
 * is left, or put back, as it was.
 */
export async function writeDirectoryAtomic(
  path: string,
  files: Readonly<Record<string, FileContent>>,
): Promise<void> {
  const temporary = temporaryName(path);
  const displaced = temporaryName(path);
  try {
    await mkdir(temporary, { recursive: true });
    const folders = new Set([temporary]);
    for (const [name, content] of Object.entries(files)) {
      const file = join(temporary, name);
      await mkdir(dirname(file), { recursive: true });
      await writeFlushed(file, content);
      folders.add(dirname(file));
    }
    for (const folder of folders) await flushFolder(folder);
    const hadOlder = await renameIfThere(path, displaced);
    try {
      await rename(temporary, path);
    } catch (cause) {
      if (hadOlder) await rename(displaced, path);
      throw cause;
    }
    await flushFolder(dirname(path));
  } catch (cause) {
    await removeQuietly(temporary);
    // Of content that is made in pieces, what goes wrong may have nothing to do with writing.
    throw cause instanceof TributaryError ? cause : writeFault(path, cause);
  }
  await removeQuietly(displaced);
}

/**
 * Returns the paths of what crashes have left beside a file or folder: a new one that may be cut short, or an older one that
 * was moved aside. Only where nobody else writes there can it be moved or removed.
 */
export async function leftoversOf(path: string): Promise<string[]> {
  const folder = dirname(resolve(path));
  const names = await readdir(folder).catch((): string[] => []);
  const isLeft = (name: string) => name.startsWith(`.${basename(path)}.`) && name.endsWith('.tmp');
  return names.filter(isLeft).map((name) => join(folder, name));
}

/**
 * Checks that a folder can be written: it holds nothing, or is not there yet.
 *
 * Errors: TRIB_USAGE, which names `--out`.
 */
export async function requireEmptyFolder(path: string): Promise<void> {
  const found = await readdir(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw new TributaryError(
      'TRIB_USAGE',
      `${path}: expected a folder to write, got ${cause.code}. Choose another with --out.`,
      { cause },
    );
  });
  if (found.length === 0) return;
  throw new TributaryError(
    'TRIB_USAGE',
    `${path}: expected an empty or a new folder, got one with files. Choose another with --out.`,
  );
}

const NEXT_STEPS: Readonly<Record<string, string>> = {
  EACCES: 'Give this user the right to write there, or choose another folder.',
  EPERM: 'Give this user the right to write there, or choose another folder.',
  EROFS: 'The file system is read-only: choose a folder on another one.',
  ENOSPC: 'The disk is full: free some space; what was saved before is intact.',
  EDQUOT: 'The disk quota is used up: free some space; what was saved before is intact.',
  ENOTDIR: 'A part of the path is a file: choose another folder.',
  EEXIST: 'A part of the path is a file: choose another folder.',
  EISDIR: 'A folder has this name: remove it, or choose another name.',
};

/** The coded error of a write that failed: TRIB_FILE, with the next step that suits the operating system's code. */
export function writeFault(path: string, cause: unknown): TributaryError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  const nextStep = NEXT_STEPS[code] ?? 'Check the disk and the path.';
  return new TributaryError('TRIB_FILE', `${path}: expected to write it, got ${code}. ${nextStep}`, {
    cause,
  });
}

let numTemporaries = 0;

function temporaryName(path: string): string {
  const absolute = resolve(path);
  // Process and thread keep two writers of one file apart.
  const own = `${process.pid}-${threadId}-${numTemporaries++}`;
  return join(dirname(absolute), `.${basename(absolute)}.${own}.tmp`);
}

async function writeFlushed(path: string, content: FileContent): Promise<void> {
  const isCopy = typeof content === 'object' && 'copyOf' in content;
  // Where the file system can, the copy shares the blocks of the other file.
  if (isCopy) await copyFile(content.copyOf, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const file = await open(path, isCopy ? 'r+' : 'wx');
  try {
    if (!isCopy) await writeFile(file, hasPieces(content) ? content.pieces : content);
    await file.sync();
  } finally {
    await file.close();
  }
}

const hasPieces = (content: string | Uint8Array | InPieces): content is InPieces =>
  typeof content === 'object' && 'pieces' in content;

/** Makes a rename in the folder last through a power cut. Windows cannot flush a folder, and need not. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function renameIfThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return false;
    throw cause;
  }
}

/** Cleaning up must not hide the fault that made it necessary. */
async function removeQuietly(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
}
