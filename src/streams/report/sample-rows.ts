import { escapeHtml } from './figures.js';
import { dataUri, pngSize } from './png-uri.js';

export interface GridPair {
  /** PNG bytes, one row of pictures a prompt, all rows of one height. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly prompts: readonly string[];
}

/** Pictures of one policy: a grid with a row of pictures for each of its prompts, all rows of one height. */
export interface PictureColumn {
  readonly label: string;
  /** PNG bytes. */
  readonly png: Uint8Array;
  readonly prompts: readonly string[];
}

/** Shows two grids row by row: the prompt, its pictures before, its pictures after. */
export function sampleRows({ before, after, prompts }: GridPair): string {
  return pictureTable(prompts, [
    { label: 'base', png: before, prompts },
    { label: 'tuned', png: after, prompts },
  ]);
}

/**
 * Shows grids row by row: a prompt, and its pictures in each of them. Each grid is embedded once; a row is a window onto it.
 *
 * @param shown prompts that every grid has.
 */
export function pictureTable(shown: readonly string[], columns: readonly PictureColumn[]): string {
  const rows = shown.map((prompt) => {
    const windows = columns.map(({ label, prompts }, column) => {
      const at = prompts.length === 1 ? 0 : (prompts.indexOf(prompt) / (prompts.length - 1)) * 100;
      return `<div class="pictures p${column}" style="background-position-y:${at.toFixed(3)}%" role="img" aria-label="${escapeHtml(`${prompt}, ${label}`)}"></div>`;
    });
    return `<div class="prompt">${escapeHtml(prompt)}</div>${windows.join('')}`;
  });
  const styles = columns.map(({ png, prompts }, column) => {
    const { width, height } = pngSize(png);
    return `.p${column}{aspect-ratio:${width} / ${height / prompts.length};background-size:100% ${prompts.length * 100}%;background-image:url(${dataUri(png)})}`;
  });
  const heads = columns.map(({ label }) => `<div class="which">${escapeHtml(label)}</div>`);
  return `<style>.samples{--columns:${columns.length}}${styles.join('')}</style><div class="samples"><div></div>${heads.join('')}${rows.join('')}</div>\n`;
}
