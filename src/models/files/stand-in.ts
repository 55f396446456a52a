/** @file What may lie where a file should be: the pointer of Git LFS, a web page, or a part of it that a download left. */

import { readdir, readlink } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';

/** Phrases for "expected ..., got ...", and what to do. */
export interface StandIn {
  readonly got: string;
  readonly nextStep: string;
}

const LFS: StandIn = {
  got: 'a pointer of Git LFS instead of the file',
  nextStep: 'Run "git lfs install && git lfs pull" in that folder, or npx tributary fetch <owner>/<name>.',
};
const PAGE: StandIn = {
  got: 'a web page instead of the file',
  nextStep:
    'Download it from the address with "resolve" in place of "blob", or npx tributary fetch <owner>/<name>.',
};
const ZEROS: StandIn = {
  got: 'zeros, which an unfinished download has left room with',
  nextStep: 'Run the download again.',
};

/**
 * Returns what a file is by its first bytes, if it is a stand-in for another; null for anything else.
 *
 * @param first the first bytes of the file; 8 are enough.
 */
export function standIn(first: Uint8Array): StandIn | null {
  const head = String.fromCharCode(...first.subarray(0, 8)).toLowerCase();
  if (head === 'version ') return LFS;
  if (/^<(!doctyp|html|head|\?xml)/.test(head)) return PAGE;
  return first.length >= 8 && /^\0{8}$/.test(head) ? ZEROS : null;
}

/** Endings of files that downloads write until they are whole, and how each goes on. */
const UNFINISHED: readonly (readonly [ending: string, goesOn: string])[] = [
  ['.partial', 'Run npx tributary fetch again: it resumes'],
  ['.incomplete', 'Run hf download again: it resumes'],
  ['.aria2', 'Run aria2c again with -c'],
  ['.crdownload', 'Download it again'],
  ['.part', 'Download it again'],
  ['.download', 'Download it again'],
];

/** Returns the unfinished download among the names of a folder, of one of these files or of any. */
export function unfinishedAmong(names: readonly string[], files?: readonly string[]): StandIn | null {
  for (const [ending, goesOn] of UNFINISHED) {
    const found = names.find((name) =>
      files ? files.some((file) => name === `${file}${ending}`) : name.endsWith(ending),
    );
    if (found) return { got: `${found}, an unfinished download`, nextStep: `${goesOn}.` };
  }
  return null;
}

/**
 * Returns why a file is not there, if that can be seen: an unfinished download beside it, or a link of the hub's cache whose
 * file is missing or unfinished; else null.
 */
export async function absence(path: string): Promise<StandIn | null> {
  const beside = unfinishedAmong(await namesIn(dirname(path)), [basename(path)]);
  if (beside) return beside;
  const target = await readlink(path).catch(() => null);
  if (target === null) return null;
  const file = resolve(dirname(path), target);
  return (
    unfinishedAmong(await namesIn(dirname(file)), [basename(file)]) ?? {
      got: `a link to ${file}, which is not there`,
      nextStep: 'Run hf download again, or copy the folder with what its links lead to (cp -rL).',
    }
  );
}

const namesIn = (folder: string) => readdir(folder).catch((): string[] => []);
