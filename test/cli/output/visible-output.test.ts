import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { statusLine } from '../../../src/cli/output/status-line.js';
import { guardOutput, visible, writeControl } from '../../../src/cli/output/visible-output.js';
import { encodeSafetensors } from '../../../src/models/files/safetensors.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { SMALLEST } from '../../streams/config/valid-config.js';
import { callCli } from '../call-cli.js';
import { type CliResult, runCli } from '../run-cli.js';

/** Colors, by both ways to begin a sequence; a line that is written over; text that is turned around. */
const HARMLESS = '\u001b[31mred\u009b0m\rover\u202eturned\u007f';
const SHOWN = '\\u001b[31mred\\u009b0m\\u000dover\\u202eturned\\u007f';
const CONTROLS = /(?![\t\n])[\p{Cc}\u2028-\u202e\u2066-\u2069]/u;

describe('visible', () => {
  test('should show control characters as JSON writes them, and leave text alone', () => {
    expect(visible(HARMLESS)).toBe(SHOWN);
    const text = 'a\tb\nc\r\nd “é” 日本 🎉 −1 ⟨x⟩';
    expect(visible(text)).toBe(text);
    expect(visible('\u2028\u2029\u200e\u200f\u061c\u2066\u2069\u0000')).toBe(
      '\\u2028\\u2029\\u200e\\u200f\\u061c\\u2066\\u2069\\u0000',
    );
  });

  test('should lose nothing inside JSON', () => {
    const value = { [HARMLESS]: [HARMLESS, '\u2028'] };
    const line = visible(JSON.stringify(value));
    expect(line).not.toMatch(CONTROLS);
    expect(JSON.parse(line)).toEqual(value);
  });
});

describe('guardOutput', () => {
  const fakeStream = () => {
    const written: unknown[] = [];
    const stream = { columns: 80, write: (chunk: unknown) => written.push(chunk) > 0 };
    guardOutput(stream as unknown as NodeJS.WriteStream);
    guardOutput(stream as unknown as NodeJS.WriteStream);
    return { stream, written };
  };

  test('should show what is written as text or bytes, but for what the program means for a terminal', () => {
    const { stream, written } = fakeStream();
    stream.write(HARMLESS);
    stream.write(Buffer.from(HARMLESS));
    const plain = Buffer.from('é\n');
    stream.write(plain);
    writeControl(stream, '\r\u001b[K');
    expect(written).toEqual([SHOWN, SHOWN, plain, '\r\u001b[K']);
  });

  test('should let a status line erase itself, and nothing in its texts', () => {
    const { stream, written } = fakeStream();
    const line = statusLine(stream);
    line.draw(`sampling ${HARMLESS}`);
    line.print(`warning: ${HARMLESS}`);
    line.clear();
    const erase = '\r\u001b[K';
    expect(written).toEqual([
      `${erase}sampling ${SHOWN}`,
      `${erase}warning: ${SHOWN}\nsampling ${SHOWN}`,
      erase,
    ]);
  });
});

describe('the program', () => {
  test('should print no control characters, whatever names and texts it is given', async () => {
    const folder = await temporaryFolder();
    const config = join(folder, `${HARMLESS}.yaml`);
    await writeFile(config, SMALLEST.replace(/^name: .*$/m, `name: ${JSON.stringify(HARMLESS)}`));
    const adapter = join(folder, 'adapter.safetensors');
    const tensors = new Map([
      [`${HARMLESS}.weight`, { dtype: 'F32' as const, shape: [1], data: Float32Array.of(1) }],
    ]);
    await writeFile(adapter, encodeSafetensors({ tensors, metadata: { format: HARMLESS } }));
    const run = join(folder, 'run');
    await mkdir(run);
    const answers: CliResult[] = [];
    // The log of a run goes past the streams of the process that callCli watches.
    answers.push(await runCli(['train', config, '--run-dir', run]));
    for (const args of [
      [HARMLESS],
      ['lint', config],
      ['lint', config, '--json'],
      ['train', config, '--set', `${HARMLESS}=1`, '--json'],
      ['run', `${HARMLESS}.yaml`],
      ['graph', config],
      ['sample', '--pipeline', HARMLESS, '--prompt', HARMLESS, '--out', join(folder, 'x.png')],
      ['evaluate', '--pipeline', HARMLESS, '--adapter', HARMLESS],
      ['export', adapter, '--out', join(folder, 'kohya.safetensors')],
      ['merge', adapter, '--pipeline', HARMLESS, '--out', join(folder, 'merged')],
      ['study', config],
      ['dead-letters', 'list', config],
    ])
      answers.push(await callCli(args));
    for (const { code, stdout, stderr } of answers) {
      expect(stdout).not.toMatch(CONTROLS);
      expect(stderr).not.toMatch(CONTROLS);
      expect(stdout + stderr).not.toBe('');
      expect([0, 1, 2]).toContain(code);
    }
    expect(
      answers.filter(({ stdout, stderr }) => (stdout + stderr).includes('\\u001b[31m')).length,
    ).toBeGreaterThan(8);
  });
});
