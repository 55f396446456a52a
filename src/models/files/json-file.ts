/** @file Reads JSON files that others wrote. Every fault names the file, the key, what was expected, and what it got. */
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { type ErrorCode, TributaryError } from '../../errors.js';
import { absence, standIn } from './stand-in.js';

/** JSON that another file implies, and that is read as if it lay on disk. */
export class ImpliedJson {
  constructor(
    /** What messages call it. */
    readonly path: string,
    readonly content: unknown,
  ) {}

  toString(): string {
    return this.path;
  }
}

/** A path, or what takes the place of its file. */
export type JsonFile = string | ImpliedJson;

interface JsonFileOptions {
  /** The code of the fault if the file is missing or its content does not fit. */
  readonly code: ErrorCode;
  /** What to do about a fault, in one sentence. */
  readonly nextStep: string;
}

/**
 * Reads a JSON file and returns the output of the schema, whose messages must read "expected <what>". The words that
 * Python's `json` writes for numbers that JSON does not have are read, too: `Infinity` and `-Infinity` as they are, `NaN`
 * as null. A byte order mark at the start is left out.
 *
 * Errors: `code`, if the file cannot be read, is not JSON, or does not fit the schema (the first fault, and how many
 * more there are).
 */
export async function readJsonFile<Schema extends z.ZodType>(
  path: JsonFile,
  schema: Schema,
  { code, nextStep }: JsonFileOptions,
): Promise<z.output<Schema>> {
  const content = typeof path === 'string' ? await readContent(path, { code, nextStep }) : path.content;
  const result = schema.safeParse(content);
  if (result.success) return result.data;
  const [first, ...others] = result.error.issues;
  const key = first?.path.map(String).join('.') || 'content';
  const got = shown(first?.path.reduce<unknown>(valueAt, content));
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  throw new TributaryError(code, `${path} ${key}: ${first?.message}, got ${got}${more}. ${nextStep}`);
}

async function readContent(path: string, { code, nextStep }: JsonFileOptions): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch(async (cause: NodeJS.ErrnoException) => {
    const other = await absence(path);
    if (other)
      throw new TributaryError(code, `${path}: expected a JSON file, got ${other.got}. ${other.nextStep}`);
    const got = cause.code === 'ENOENT' ? 'no such file' : (cause.code ?? cause.message);
    throw new TributaryError(code, `${path}: expected a JSON file, got ${got}. ${nextStep}`, { cause });
  });
  return parseJson(path, text, { code, nextStep });
}

/** Texts are matched as wholes, so that words inside of them stay. */
const TEXT_OR_PYTHON_NUMBER = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;
const PYTHON_NUMBERS: Readonly<Record<string, string>> = {
  Infinity: '1e999',
  '-Infinity': '-1e999',
  NaN: 'null',
};

function parseJson(path: string, text: string, { code, nextStep }: JsonFileOptions): unknown {
  try {
    return JSON.parse(
      text.replace(/^\uFEFF/, '').replace(TEXT_OR_PYTHON_NUMBER, (part) => PYTHON_NUMBERS[part] ?? part),
    );
  } catch (cause) {
    const other = standIn(new TextEncoder().encode(text.slice(0, 8)));
    if (other) throw new TributaryError(code, `${path}: expected JSON, got ${other.got}. ${other.nextStep}`);
    const got = text.trim() === '' ? 'an empty file' : `${text.length} characters that do not parse`;
    throw new TributaryError(code, `${path}: expected JSON, got ${got}. ${nextStep}`, { cause });
  }
}

function valueAt(value: unknown, key: PropertyKey): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number') return String(value);
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** Returns what a text means as JSON, or null if it is not JSON: for files that a crash may have cut short. */
export function parseJsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
