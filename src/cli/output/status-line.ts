import { visible, writeControl } from './visible-output.js';

/** The last line of a terminal, which is drawn over and over; what is printed appears above it. */
export interface StatusLine {
  draw(text: string): void;
  print(text: string): void;
  clear(): void;
}

/** What a terminal stream must offer. */
export interface Terminal {
  readonly columns: number;
  write(text: string): unknown;
}

/** Back to the first column, and erase to the end of the line. */
const ERASE = '\r\u001b[K';

/** Starts a status line on a terminal. It is never wider than the terminal: a wrapped line could not be erased. */
export function statusLine(terminal: Terminal): StatusLine {
  let shown = '';
  return {
    draw(text) {
      // A last column that is written to would wrap on some terminals.
      const cut = visible(text.replaceAll('\n', ' ')).slice(0, Math.max(0, terminal.columns - 1));
      if (cut !== shown) writeControl(terminal, ERASE + cut);
      shown = cut;
    },
    print(text) {
      writeControl(terminal, `${shown === '' ? '' : ERASE}${visible(text)}\n${shown}`);
    },
    clear() {
      if (shown !== '') writeControl(terminal, ERASE);
      shown = '';
    },
  };
}
