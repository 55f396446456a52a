import { JsonFault, parseExactJson } from '../../models/files/exact-json.js';
import { lineAt, linesOf } from './decode-text.js';
import { type PromptRow, type PromptRows, promptFault } from './prompt-row.js';

/** A JSON list of texts, of objects, or of both. */
export function readJsonList(path: string, text: string): PromptRows {
  const list = parsed(path, text, 1);
  if (!Array.isArray(list))
    throw promptFault(path, {
      expected: 'a JSON list of prompts',
      got: 'another value',
      nextStep: 'Write ["a red ball", ...] or [{"prompt": "a red ball"}, ...].',
    });
  return {
    rows: list.map((value, index) => ({ place: ` item ${index + 1}`, value })),
    comments: 0,
    emptyLines: 0,
  };
}

/** JSON Lines: one text or object a line; empty lines are left out. */
export function readJsonLines(path: string, text: string): PromptRows {
  const rows: PromptRow[] = [];
  let emptyLines = 0;
  for (const [index, line] of linesOf(text).entries()) {
    if (line.trim() === '') emptyLines++;
    else rows.push({ place: `:${index + 1}`, value: parsed(path, line, index + 1) });
  }
  return { rows, comments: 0, emptyLines };
}

function parsed(path: string, text: string, firstLine: number): unknown {
  try {
    return parseExactJson(text);
  } catch (cause) {
    if (!(cause instanceof JsonFault)) throw cause;
    const { expected, got, at } = cause;
    throw promptFault(
      `${path}:${firstLine + lineAt(text, at) - 1}`,
      {
        expected,
        got,
        nextStep:
          'Correct it: .json holds one list, .jsonl one text or object a line, .txt one prompt a line.',
      },
      cause,
    );
  }
}
