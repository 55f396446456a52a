import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { lint } from '../../src/library/index.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { tinyConfig } from '../fixtures/tiny-run.js';

/** The tiny pipeline stands in for a model whose training takes minutes. */
async function tinyArguments(): Promise<string[]> {
  const folder = await temporaryFolder();
  const path = join(folder, 'tiny.yaml');
  await writeFile(path, stringify(await tinyConfig(folder)));
  return [path, join(folder, 'run')];
}

/** What the first lines of an example promise, by its name. */
const PRINTS: Readonly<Record<string, (lines: readonly string[]) => void>> = {
  'operators.js': (lines) => {
    expect(lines).toEqual([
      'lost 0-1: an empty answer',
      'round 0: red -8.0, ultramarine 8.0',
      'round 1: red -4.0, olive -1.0, vermilion 5.0, pear -5.0, tangerine 5.0',
    ]);
  },
  'train.js': (lines) => {
    expect(lines).toEqual([
      expect.stringMatching(/^round 0: mean reward -?\d/),
      expect.stringMatching(/^round 1: mean reward -?\d/),
      expect.stringMatching(/^saved in /),
    ]);
  },
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
    const child = spawn(process.execPath, [
      `examples/${name}`,
      ...(name === 'train.js' ? await tinyArguments() : []),
    ]);
    const [printed, errors]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (data: Buffer) => printed.push(data));
    child.stderr.on('data', (data: Buffer) => errors.push(data));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect({ code, errors: errors.join('') }).toEqual({ code: 0, errors: '' });
    PRINTS[name]?.(printed.join('').trim().split('\n'));
    expect(PRINTS).toHaveProperty([name]);
  });

  it.each(['topology', 'people'])(
    'should hold a config whose modules are all found and fit: %s',
    async (name) => {
      expect((await lint(`examples/own/${name}.yaml`)).faults).toEqual([]);
    },
  );
});
