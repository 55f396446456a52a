import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bar, remainingTime, statusLine } from '../../../src/cli/output/status-line.js';

/** A terminal of one line's worth of escape codes: what a person would see after all that was written. */
function screen(columns: number) {
  const lines = [''];
  let column = 0;
  return {
    columns,
    lines,
    write(text: string) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what a terminal reads.
      for (const [part] of text.matchAll(/\u001b\[K|[\s\S]/g)) {
        const line = lines.at(-1) ?? '';
        if (part === '\u001b[K') lines[lines.length - 1] = line.slice(0, column);
        else if (part === '\r') column = 0;
        else if (part === '\n') {
          lines.push('');
          column = 0;
        } else {
          lines[lines.length - 1] = line.slice(0, column) + part + line.slice(column + 1);
          column++;
        }
      }
    },
  };
}

describe('statusLine', () => {
  test('should draw over itself, also with a shorter text', () => {
    const terminal = screen(40);
    const line = statusLine(terminal);
    line.draw('round 10/24');
    line.draw('round 9');
    expect(terminal.lines).toEqual(['round 9']);
  });

  test('should print above itself', () => {
    const terminal = screen(40);
    const line = statusLine(terminal);
    line.print('first');
    line.draw('a long status');
    line.print('x');
    expect(terminal.lines).toEqual(['first', 'x', 'a long status']);
  });

  test('should never reach the last column', () => {
    const terminal = screen(5);
    statusLine(terminal).draw('123456789');
    expect(terminal.lines).toEqual(['1234']);
  });

  test('should leave nothing behind', () => {
    const terminal = screen(40);
    const line = statusLine(terminal);
    line.draw('status');
    line.clear();
    line.print('end');
    expect(terminal.lines).toEqual(['end', '']);
  });
});

describe('bar', () => {
  test('should fill by eighths', () => {
    expect(bar(0, 4)).toBe('░░░░');
    expect(bar(0.5, 4)).toBe('██░░');
    expect(bar(17 / 32, 4)).toBe('██▏░');
    expect(bar(1, 4)).toBe('████');
  });

  test('should keep its width for any share', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), fc.integer({ min: 1, max: 60 }), (share, width) => {
        expect(bar(share, width)).toHaveLength(width);
      }),
    );
  });
});

test('should take the work since the first call as the measure of the rest', () => {
  let seconds = 50;
  const remaining = remainingTime(() => seconds);
  expect(remaining(0.2)).toBeNull();
  seconds += 10;
  expect(remaining(0.4)).toBeCloseTo(30);
  seconds += 30;
  expect(remaining(1)).toBeCloseTo(0);
});
