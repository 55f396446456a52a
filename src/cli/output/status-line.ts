import { at } from '../../at.js';
import { visible, writeControl } from './visible-output.js';

/** The last line of a terminal, which is drawn over and over; what is printed appears above it. */
export interface StatusLine {
  /** @param milestone what a stream that is no terminal gets as a line of its own; by default nothing. */
  draw(text: string, milestone?: string): void;
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

/** Returns what writes to a stream that is no terminal: each milestone and each printed text on a line of its own. */
function plainLines(stream: Pick<Terminal, 'write'>): StatusLine {
  const print = (text: string) => void stream.write(`${visible(text)}\n`);
  return {
    draw(_, milestone) {
      if (milestone !== undefined) print(milestone);
    },
    print,
    clear: () => undefined,
  };
}

/** Shows progress on any stream: on one line of a terminal, and elsewhere as plain lines. */
export function openStatusLine(stream: Terminal & { readonly isTTY?: boolean }): StatusLine {
  return stream.isTTY ? statusLine(stream) : plainLines(stream);
}

/** Draws a share in [0, 1] as a bar of `width` characters, to an eighth of one. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const full = Math.floor(eighths / 8);
  const rest = at(['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'], eighths % 8);
  return ('█'.repeat(full) + rest).padEnd(width, '░');
}

/**
 * Returns a function that estimates the seconds left from the share of work done, by the speed since its first call.
 * Null before there is one.
 *
 * @param now Seconds from some origin.
 */
export function remainingTime(now: () => number): (share: number) => number | null {
  let first: { readonly share: number; readonly at: number } | undefined;
  return (share) => {
    first ??= { share, at: now() };
    const done = share - first.share;
    return done > 0 ? ((now() - first.at) * (1 - share)) / done : null;
  };
}
