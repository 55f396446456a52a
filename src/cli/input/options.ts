/** @file How values of options are read. */

import { existsSync } from 'node:fs';
import { InvalidArgumentError, Option } from 'commander';
import { TributaryError } from '../../errors.js';
import type { EmbeddingPlace } from '../../models/pipeline/embeddings/embedding-file.js';
import { packageNames } from '../../own-package.js';
import { noSuchName, placeOfName } from '../../streams/config/source/named-files.js';
import type { AdapterPlace } from '../../streams/directory/read-adapter.js';

/**
 * Returns the path of a model that a command names: a folder, or something that the package brings.
 *
 * Errors: TRIB_USAGE for a name that the package does not have.
 */
export function modelPath(word: string): string {
  const path = placeOfName(word, '');
  if (path !== null) return path;
  const { expected, got, nextStep } = noSuchName(word, packageNames().models);
  throw new TributaryError('TRIB_USAGE', `${word}: expected ${expected}, got ${got}. ${nextStep}`);
}

/** Gathers the values of an option that may be given several times. */
export function collect(value: string, gathered: readonly string[] = []): string[] {
  return [...gathered, value];
}

/** A path, a colon, and a decimal number. */
const WITH_STRENGTH = /^(.+):([-+]?(?:\d+\.?\d*|\.\d+))$/;

/**
 * Reads `<file>:<strength>`, where the strength is 1 unless it is there. A path that exists is taken as it is.
 *
 * Errors: TRIB_USAGE if something else follows the colon of a path that exists.
 */
export function adapterPlace(text: string): AdapterPlace {
  if (existsSync(text)) return { path: text, strength: 1 };
  const [, path, strength] = WITH_STRENGTH.exec(text) ?? [];
  if (path !== undefined) return { path, strength: Number(strength) };
  const [, before = '', after] = /^(.+):(.*)$/.exec(text) ?? [];
  if (!existsSync(before)) return { path: text, strength: 1 };
  throw new TributaryError(
    'TRIB_USAGE',
    `${before}: expected a strength behind the colon, got "${after}". Write a decimal number, such as ${before}:0.8.`,
  );
}

/** Gathers adapters of an option that may be given several times. */
export function collectAdapters(text: string, gathered: readonly AdapterPlace[] = []): AdapterPlace[] {
  return [...gathered, adapterPlace(text)];
}

/** Reads `<token>=<file>`, or a file with a token of its own. A path that exists is taken as it is. */
export function embeddingPlace(text: string): EmbeddingPlace {
  const [, token = null, path = text] = existsSync(text) ? [] : (/^(.+?)=(.+)$/.exec(text) ?? []);
  return { path, token };
}

/** Gathers textual inversions of an option that may be given several times. */
function collectEmbeddings(text: string, gathered: readonly EmbeddingPlace[] = []): EmbeddingPlace[] {
  return [...gathered, embeddingPlace(text)];
}

/** The option to let prompts have the tokens of textual inversions. */
export const EMBEDDING = [
  '--embedding <[token=]file>',
  'textual inversion whose token prompts may have; repeatable (default token: that of the file, else its name)',
  collectEmbeddings,
  [] as EmbeddingPlace[],
] as const;

/** The option to use an adapter without its layers of text encoders. */
export const IGNORE_TEXT_ENCODER = [
  '--ignore-text-encoder',
  'leave out the layers of text encoders that an adapter has',
  false,
] as const;

/** The option to take a run whose lock names a process that cannot be asked. */
export const TAKE_OVER = [
  '--take-over',
  'take over the run of a dead process; refused if it responds or wrote within the last 30 seconds',
  false,
] as const;

/** How progress is written to standard error. */
export function logOption(byDefault: 'text' | 'json'): Option {
  return new Option('--log <form>', 'progress for people, or JSON lines for programs')
    .choices(['text', 'json'])
    .default(byDefault);
}

/** Returns a reader of whole numbers from `least` to `most`. */
export function whole(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
    const wanted = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    throw new InvalidArgumentError(`Expected a whole number ${wanted}.`);
  };
}

/** Reads numbers with commas between them. */
export function numbers(text: string): readonly number[] {
  const values = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (values.every(Number.isFinite)) return values;
  throw new InvalidArgumentError('Expected numbers with commas between them.');
}

/** Returns a reader of numbers from `least` to `most`. */
export function between(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Expected a number from ${least} to ${most}.`);
  };
}
