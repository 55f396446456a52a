/** @file Markdown as this repository keeps it: prose within 120 columns, tables as wide as they are. */
import { writeNumber, writeSigned } from '../../report/figures.js';
import type { Estimate } from '../results/estimate.js';

const COLUMNS = 118;

/** Text that stands for itself in a cell of a table. */
export function cellText(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ');
}

/** A table; the first row is its head. */
export function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const written = [head, head.map(() => '---'), ...body];
  return `${written.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
}

/** A paragraph, broken into lines between words. */
export function paragraph(text: string): string {
  const lines: string[] = [];
  for (const word of text.trim().split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= COLUMNS) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return `${lines.join('\n')}\n`;
}

interface Style {
  readonly factor: number;
  readonly decimals: number;
}

/** `51.4 ± 2.8`; one seed says that it is one, and has no interval. */
export function writeEstimate(value: Estimate | null, { factor, decimals }: Style): string {
  return withInterval(value, factor, decimals, (mean) => mean.toFixed(decimals).replace('-', '−'));
}

/** `+17.2 ± 6.6`. */
export function writeDifference(value: Estimate | null, { factor, decimals }: Style): string {
  return withInterval(value, factor, decimals, (mean) => writeSigned(mean, decimals));
}

function withInterval(
  value: Estimate | null,
  factor: number,
  decimals: number,
  write: (mean: number) => string,
): string {
  if (value === null) return '–';
  const mean = write(value.mean * factor);
  if (value.halfWidth === null) return `${mean} (one seed)`;
  return `${mean} ± ${(value.halfWidth * factor).toFixed(decimals)}`;
}

/** 1234.4 -> `1,234`; what was not measured is a dash. */
export function writeWhole(value: number | null): string {
  return value === null ? '–' : writeNumber(value < 1000 ? Math.round(value) : value);
}
