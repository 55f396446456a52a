import { extname } from 'node:path';
import { readJsonLines, readJsonList } from './json-prompts.js';
import { looksLikeObject, readPlainText } from './plain-text.js';
import { type PromptRows, promptFault } from './prompt-row.js';
import { readTable } from './table-prompts.js';

export interface RowOptions {
  /** Whether a line of plain text that begins with # is left out. */
  readonly comments: boolean;
}

/**
 * Reads the rows of a prompt file by its kind, which its extension names: .json, .jsonl or .ndjson, .csv, .tsv. Any other
 * file is plain text, unless it is clearly JSON: its first line begins like an object, or the whole like a list.
 *
 * Errors: TRIB_PROMPT, with file and line.
 */
export function readRows(path: string, text: string, options: RowOptions): PromptRows {
  switch (extname(path).toLowerCase()) {
    case '.json':
      // Data sets use this name for JSON Lines, too.
      return text.trimStart().startsWith('{') ? readJsonLines(path, text) : readJsonList(path, text);
    case '.jsonl':
    case '.ndjson':
      return readJsonLines(path, text);
    case '.csv':
      return readTable(path, text, ',');
    case '.tsv':
      return readTable(path, text, '\t');
    default:
      return readByContent(path, text, options);
  }
}

function readByContent(path: string, text: string, options: RowOptions): PromptRows {
  const lines = text.split('\n').map((line) => line.trim());
  const first = lines.findIndex((line) => line !== '' && !(options.comments && line.startsWith('#')));
  const line = lines[first] ?? '';
  if (looksLikeObject(line)) return readJsonLines(path, text);
  if (/^\[\s*(["{\]]|$)/.test(line)) return readJsonList(path, text);
  if (isHeader(line))
    throw promptFault(`${path}:${first + 1}`, {
      expected: 'a prompt',
      got: 'what looks like the header of a table',
      nextStep: 'Name the file .csv or .tsv where it is one, or remove the line.',
    });
  return readPlainText(path, text, options);
}

/** `prompt` in any case, or names of columns with it among them. */
function isHeader(line: string): boolean {
  const cells = line.split(line.includes('\t') ? '\t' : ',').map((cell) => cell.replace(/^"(.*)"$/, '$1'));
  return cells.some((cell) => cell.toLowerCase() === 'prompt') && cells.every((cell) => /^\w*$/.test(cell));
}
