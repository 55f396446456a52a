import { escapeHtml } from './figures.js';

export interface GridPair {
  /** PNG bytes, one row of pictures a prompt, all rows of one height. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly prompts: readonly string[];
}

/**
 * Shows two grids row by row: the prompt, its pictures before, its pictures after. Each grid is embedded once; a row is
 * a window onto it.
 */
export function sampleRows({ before, after, prompts }: GridPair): string {
  const rows = prompts.map((prompt, row) => {
    const at = prompts.length === 1 ? 0 : (row / (prompts.length - 1)) * 100;
    const window = (which: string) =>
      `<div class="pictures ${which}" style="background-position-y:${at.toFixed(3)}%" role="img" aria-label="${escapeHtml(prompt)}, ${which}"></div>`;
    return `<div class="prompt">${escapeHtml(prompt)}</div>${window('before')}${window('after')}`;
  });
  const { width, height } = pngSize(before);
  const style = [
    `.pictures{aspect-ratio:${width} / ${height / prompts.length};background-size:100% ${prompts.length * 100}%}`,
    `.before{background-image:url(${dataUri(before)})}`,
    `.after{background-image:url(${dataUri(after)})}`,
  ];
  return `<style>${style.join('')}</style><div class="samples"><div></div><div class="which">base</div><div class="which">tuned</div>${rows.join('')}</div>\n`;
}

function dataUri(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}

/** Width and height stand first in the header chunk, which is always first in the file (PNG specification, 11.2.2). */
function pngSize(png: Uint8Array): { width: number; height: number } {
  const view = new DataView(png.buffer, png.byteOffset);
  return { width: view.getUint32(16), height: view.getUint32(20) };
}
