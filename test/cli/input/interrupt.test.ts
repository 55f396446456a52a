import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

/** A program that says when it is ready and when it is asked to stop, and ends as told. */
function program(afterFirst: string, beforeReady = ''): string {
  const module = join(import.meta.dirname, '../../../dist/cli/input/interrupt.js');
  return `
    import { watchInterrupt } from ${JSON.stringify(module)};
    const alive = setInterval(() => {}, 1000);
    const { signal, release } = watchInterrupt(() => console.log('asked ' + signal.aborted));
    signal.addEventListener('abort', () => { ${afterFirst} });
    ${beforeReady}
    console.log('ready');
  `;
}

function interrupted(source: string, names: readonly NodeJS.Signals[]) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', source]);
  const signals = [...names];
  let stdout = '';
  return new Promise<{ code: number | null; signal: string | null; stdout: string }>((resolve) => {
    // Each line that the program prints means that it waits for the next signal.
    child.stdout.on('data', (text: Buffer) => {
      stdout += text.toString();
      const next = signals.shift();
      if (next) child.kill(next);
    });
    child.on('close', (code, signal) => resolve({ code, signal, stdout }));
  });
}

describe('watchInterrupt', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('should let work end in order after one %s', async (name) => {
    expect(await interrupted(program('clearInterval(alive)'), [name])).toEqual({
      code: 0,
      signal: null,
      stdout: 'ready\nasked true\n',
    });
  });

  test('should end at once at the second Ctrl-C', async () => {
    expect(await interrupted(program(''), ['SIGINT', 'SIGINT'])).toEqual({
      code: null,
      signal: 'SIGINT',
      stdout: 'ready\nasked true\n',
    });
  });

  test('should leave signals alone once released', async () => {
    const { signal, stdout } = await interrupted(program('', 'release()'), ['SIGINT']);
    expect({ signal, stdout }).toEqual({ signal: 'SIGINT', stdout: 'ready\n' });
  });
});
