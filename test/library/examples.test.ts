import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/** What the first lines of an example promise, by its name. */
const PRINTS: Readonly<Record<string, (lines: readonly string[]) => void>> = {
  'onnx-gradient.js': ([line = '']) => {
    const [derived, measured] = line.match(/-?[\d.]+/g)?.map(Number) ?? [];
    expect(derived).toBeCloseTo(-0.291, 3);
    expect(measured).toBeCloseTo(derived as number, 3);
  },
  'onnx-adapter.js': (lines) => {
    const losses = lines.map((line) => Number(line.split(' ').at(-1)));
    expect(losses).toHaveLength(5);
    for (const [step, loss] of losses.entries()) expect(loss).toBeLessThan(losses[step - 1] ?? 1);
    expect(losses.at(-1)).toBeLessThan(Number(losses[0]) / 2);
  },
};

describe('examples', () => {
  const programs = readdirSync('examples').filter((name) => name.endsWith('.js'));

  it.each(programs)('should print what its first lines say: %s', async (name) => {
    const child = spawn(process.execPath, [`examples/${name}`]);
    const [printed, errors]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (data: Buffer) => printed.push(data));
    child.stderr.on('data', (data: Buffer) => errors.push(data));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect({ code, errors: errors.join('') }).toEqual({ code: 0, errors: '' });
    PRINTS[name]?.(printed.join('').trim().split('\n'));
    expect(PRINTS).toHaveProperty([name]);
  });
});
