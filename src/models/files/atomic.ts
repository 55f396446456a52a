/**
 * @file Writes files and folders that appear whole or not at all: everything is written under a temporary name beside the
 * final one, flushed to disk, and renamed. What a crash leaves behind begins with a dot and ends in `.tmp`; nothing reads it.
 */
import { constants, copyFile, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { threadId } from 'node:worker_threads';
import { TributaryError } from '../../errors.js';

/** The content of files, by path relative to their folder. */
export type FolderContent = Readonly<Record<string, string | Uint8Array>>;

/** The content of another file, copied without reading it into memory. */
export interface CopyOf {
  readonly copyOf: string;
}

/** Content in pieces, each of which is written before the next is requested. */
interface InPieces {
  readonly pieces: AsyncIterable<Uint8Array>;
}

export type FileContent = string | Uint8Array | CopyOf | InPieces;

/**
 * Writes a file, replacing an older one atomically; creates its folder if needed. A reader sees either the old bytes or the
 * new ones, even after a crash.
 *
 * Errors: TRIB_FILE, with the operating system's code in the text; the old file is then unchanged.
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
 * Writes a folder whose files belong together (a checkpoint). The final name never holds a part of it. An older folder of
 * that name is moved aside first and removed last: a crash between the two renames leaves no folder under the name, and both
 * folders among its `leftoversOf`.
 *
 * Errors: TRIB_FILE, with the operating system's code in the text; those of content in pieces. An older folder then stays, or
 * is put back.
 */
export async function writeDirectoryAtomic(
  path: string,
  files: Readonly<Record<string, FileContent>>,
): Promise<void> {
  const temporary = temporaryName(path);
  const displaced = temporaryName(path);
  try {
    await mkdir(dirname(temporary), { recursive: true });
    // Not with its parents: of a read-only file system Node then says ENOENT.
    await mkdir(temporary);
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
    // A fault while making content in pieces may have nothing to do with writing.
    throw cause instanceof TributaryError ? cause : writeFault(path, cause);
  }
  await removeQuietly(displaced);
}

/**
 * Returns the paths of what crashes left beside a file or folder: a new one that may be incomplete, or an older one that was
 * moved aside. Move or remove them only if nobody else writes there.
 */
export async function leftoversOf(path: string): Promise<string[]> {
  const folder = dirname(resolve(path));
  const names = await readdir(folder).catch((): string[] => []);
  const isLeft = (name: string) => name.startsWith(`.${basename(path)}.`) && name.endsWith('.tmp');
  return names.filter(isLeft).map((name) => join(folder, name));
}

/** Checks that a folder is empty or does not exist yet. Errors: TRIB_USAGE. */
export async function requireEmptyFolder(path: string): Promise<void> {
  const found = await readdir(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    const got = cause.code === 'ENOTDIR' ? 'a file' : cause.code;
    const text = `${path}: expected a folder to write to, got ${got}. Choose another.`;
    throw new TributaryError('TRIB_USAGE', text, { cause });
  });
  if (found.length === 0) return;
  const text = `${path}: expected an empty or a new folder, got one with files. Choose another, or empty it.`;
  throw new TributaryError('TRIB_USAGE', text);
}

const NEXT_STEPS: Readonly<Record<string, string>> = {
  EACCES: 'Give this user permission to write there, or choose another folder.',
  EPERM: 'Give this user permission to write there, or choose another folder.',
  EROFS: 'The file system is read-only: choose a folder on another one.',
  ENOSPC: 'The disk is full: free some space. What was saved before is intact.',
  EDQUOT: 'The disk quota is used up: free some space. What was saved before is intact.',
  ENOTDIR: 'Part of the path is a file: choose another folder.',
  EEXIST: 'Part of the path is a file: choose another folder.',
  EISDIR: 'There is a folder of this name: remove it, or choose another name.',
};

/** The fault of a failed write: TRIB_FILE, with a next step that fits the operating system's code. */
export function writeFault(path: string, cause: unknown): TributaryError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  const nextStep = NEXT_STEPS[code] ?? 'Check the disk and the path.';
  const text = `${path}: expected to write it, got ${code}. ${nextStep}`;
  return new TributaryError('TRIB_FILE', text, { cause });
}

let numTemporaries = 0;

function temporaryName(path: string): string {
  const absolute = resolve(path);
  // Process and thread keep two writers of the same file apart.
  const own = `${process.pid}-${threadId}-${numTemporaries++}`;
  return join(dirname(absolute), `.${basename(absolute)}.${own}.tmp`);
}

async function writeFlushed(path: string, content: FileContent): Promise<void> {
  const isCopy = typeof content === 'object' && 'copyOf' in content;
  // If the file system supports it, the copy shares the blocks of the other file.
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

/** Makes a rename in the folder survive a power failure. Windows cannot flush a folder, and does not need to. */
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

/** Ignores faults: cleaning up must not hide the fault that made it necessary. */
async function removeQuietly(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
}
