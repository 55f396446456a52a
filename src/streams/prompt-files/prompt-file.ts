import { open } from 'node:fs/promises';
import { TributaryError } from '../../errors.js';
import { writtenPath } from '../../own-package.js';
import type { ListedPrompt } from '../messages/prompts.js';
import { decodeText } from './decode-text.js';
import { type PromptFingerprint, promptFingerprint } from './prompt-fingerprint.js';
import { promptFault, promptOfRow } from './prompt-row.js';
import { type RowOptions, readRows } from './read-rows.js';

/** What a prompt file holds. */
export interface PromptFile {
  readonly path: string;
  /** In the order of the file, at least one. */
  readonly prompts: readonly ListedPrompt[];
  /** Lines and entries that are not drawn. */
  readonly leftOut: {
    readonly comments: number;
    readonly emptyLines: number;
    /** Prompts with weight 0. */
    readonly weightZero: number;
  };
  /** Prompts that repeat an earlier one; each is drawn on its own. */
  readonly repeats: number;
  readonly fingerprint: PromptFingerprint;
}

interface PromptFileOptions extends RowOptions {
  /** Throws at a prompt that cannot be read, or that asks for what is not there. */
  readonly check: (prompt: ListedPrompt) => void;
}

const LARGEST_FILE = 64 * 2 ** 20;
const MOST_PROMPTS = 1_000_000;
/** Refused prompts that a fault names. */
const MOST_NAMED = 10;

/**
 * Reads a prompt file of any kind (docs/prompts.md). Every prompt is checked, so that a misspelled one is found before
 * training begins.
 *
 * Errors: TRIB_PROMPT, naming the file and line, where something is not a prompt, `check` refuses one, or there are
 * none; TRIB_FILE where it cannot be read or is larger than 64 MiB.
 */
export async function readPromptFile(path: string, options: PromptFileOptions): Promise<PromptFile> {
  const { rows, comments, emptyLines } = readRows(path, decodeText(path, await readBytes(path)), options);
  if (rows.length > MOST_PROMPTS)
    throw promptFault(path, {
      expected: `at most ${MOST_PROMPTS} prompts`,
      got: String(rows.length),
      nextStep: 'Take a part of them.',
    });
  const listed: ListedPrompt[] = [];
  const refused: Refused[] = [];
  for (const row of rows) {
    const prompt = promptOfRow(path, row);
    try {
      options.check(prompt);
    } catch (cause) {
      refused.push({ place: row.place, cause });
      if (refused.length > MOST_NAMED) break;
    }
    listed.push(prompt);
  }
  requireNone(path, refused);
  const prompts = listed.filter(({ weight }) => weight > 0);
  const weightZero = listed.length - prompts.length;
  if (prompts.length === 0) {
    const got = weightZero > 0 ? `${weightZero} of weight 0` : 'none';
    throw promptFault(path, { expected: 'at least one prompt', got, nextStep: 'Write one prompt a line.' });
  }
  const repeats = prompts.length - new Set(prompts.map(({ prompt }) => prompt)).size;
  return {
    path,
    prompts,
    leftOut: { comments, emptyLines, weightZero },
    repeats,
    fingerprint: promptFingerprint(prompts),
  };
}

/** A prompt that the check refuses. */
interface Refused {
  readonly place: string;
  readonly cause: unknown;
}

/** Errors: TRIB_PROMPT with what is wrong with the first, and the places of the others. */
function requireNone(path: string, [first, ...others]: readonly Refused[]): void {
  if (first === undefined) return;
  const { place, cause } = first;
  const message = cause instanceof Error ? cause.message : String(cause);
  const also = others.slice(0, MOST_NAMED - 1).map((other) => other.place.replace(/^:/, ' line '));
  const more = others.length > also.length ? ', and more' : '';
  const rest = also.length > 0 ? ` Also refused:${also.join(',')}${more}.` : '';
  throw new TributaryError('TRIB_PROMPT', `${path}${place} ${message}${rest}`, { cause });
}

async function readBytes(path: string): Promise<Buffer> {
  const fault = (got: string, cause?: unknown) =>
    new TributaryError(
      'TRIB_FILE',
      `${path}: expected a prompt file, got ${got}. Correct the path under stages.prompts.`,
      { cause },
    );
  let size: number;
  try {
    const file = await open(path);
    try {
      ({ size } = await file.stat());
      if (size <= LARGEST_FILE) return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw fault(code ?? message, cause);
  }
  throw fault(`one of ${size} bytes, more than ${LARGEST_FILE}`);
}

/** `480 from train.txt (left out: 3 comments, 1 empty line; 2 repeated)`. */
export function describePromptFile({ path, prompts, leftOut, repeats }: PromptFile): string {
  const counted = (count: number, one: string, several: string) =>
    count === 0 ? [] : [`${count.toLocaleString('en-US')} ${count === 1 ? one : several}`];
  const omitted = [
    ...counted(leftOut.comments, 'comment', 'comments'),
    ...counted(leftOut.emptyLines, 'empty line', 'empty lines'),
    ...counted(leftOut.weightZero, 'prompt of weight 0', 'prompts of weight 0'),
  ];
  const notes = [
    ...(omitted.length > 0 ? [`left out: ${omitted.join(', ')}`] : []),
    ...counted(repeats, 'repeated prompt', 'repeated prompts'),
  ];
  const count = prompts.length.toLocaleString('en-US');
  return `${count} from ${writtenPath(path)}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`;
}
