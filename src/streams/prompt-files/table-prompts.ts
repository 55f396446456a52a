import Papa from 'papaparse';
import { at } from '../../at.js';
import { lineAt } from './decode-text.js';
import { type PromptRow, type PromptRows, promptFault } from './prompt-row.js';

const NUMBER = /^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$/;

/**
 * A table with a header, as RFC 4180 describes it: the columns `prompt` and optionally `weight`; cells of all others are
 * metadata, as text. Empty lines are left out.
 */
export function readTable(path: string, text: string, delimiter: ',' | '\t'): PromptRows {
  const lines = cellsOf(path, text, delimiter);
  const [header, ...others] = lines.filter(({ cells }) => !isEmptyLine(cells));
  const columns = header?.cells ?? [];
  if (header) requireColumns(`${path}:${header.line}`, columns, delimiter);
  const rows = others.map(({ line, cells }): PromptRow => {
    if (cells.length !== columns.length)
      throw promptFault(`${path}:${line}`, {
        expected: `${columns.length} cells, as in the header`,
        got: String(cells.length),
        nextStep: 'Put a cell that holds the separator in double quotes.',
      });
    return { place: `:${line}`, value: rowOf(columns, cells) };
  });
  return { rows, comments: 0, emptyLines: lines.filter(({ cells }) => isEmptyLine(cells)).length };
}

function rowOf(columns: readonly string[], cells: readonly string[]) {
  return Object.fromEntries(
    columns.flatMap((column, index): [string, unknown][] => {
      const cell = at(cells, index);
      if (column !== 'weight') return [[column, cell]];
      if (cell.trim() === '') return [];
      return [[column, NUMBER.test(cell) ? Number(cell) : cell]];
    }),
  );
}

interface Line {
  /** Number of its first line in the file. */
  readonly line: number;
  readonly cells: readonly string[];
}

function cellsOf(path: string, text: string, delimiter: string): Line[] {
  const lines: Line[] = [];
  let [start, line] = [0, 1];
  Papa.parse<string[]>(text, {
    delimiter,
    newline: '\n',
    step: ({ data, errors, meta }) => {
      const [error] = errors.filter(({ type }) => type === 'Quotes');
      if (error)
        throw promptFault(`${path}:${line}`, {
          expected: 'quotes around a whole cell, with each quote inside it doubled',
          got: error.message.toLowerCase(),
          nextStep: 'Write "a sign that says ""stop""", or no quote at the beginning of the cell.',
        });
      // Nothing follows the last line end.
      if (start < text.length) lines.push({ line, cells: data });
      line += lineAt(text.slice(start, meta.cursor), Number.POSITIVE_INFINITY) - 1;
      start = meta.cursor;
    },
  });
  return lines;
}

function requireColumns(where: string, columns: readonly string[], delimiter: string): void {
  const names = columns.map((column) => JSON.stringify(column.slice(0, 40))).join(', ');
  if (!columns.includes('prompt'))
    throw promptFault(where, {
      expected: `a header with the column prompt, separated by ${delimiter === ',' ? 'commas' : 'tabs'}`,
      got: names.slice(0, 200),
      nextStep: 'Name the columns in the first line.',
    });
  const repeated = columns.find((column, index) => columns.indexOf(column) !== index);
  if (repeated !== undefined)
    throw promptFault(where, {
      expected: 'columns with different names',
      got: `${JSON.stringify(repeated)} twice`,
      nextStep: 'Rename one of them.',
    });
}

const isEmptyLine = (cells: readonly string[]) => cells.length === 1 && cells[0]?.trim() === '';
