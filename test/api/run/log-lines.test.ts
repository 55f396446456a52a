import { appendFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LogLines } from '../../../src/api/run/log-lines.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

async function logOf(text: string) {
  const path = join(await temporaryFolder(), 'log.jsonl');
  await writeFile(path, text);
  return { path, log: new LogLines(path) };
}

describe('LogLines', () => {
  it('should read a file that is not there as empty', async () => {
    const log = new LogLines(join(await temporaryFolder(), 'none'));
    expect(await log.read(0, 10)).toEqual({ lines: [], next: 0 });
  });

  it('should read lines that are longer than a look at the file, and letters of several bytes', async () => {
    const long = 'é'.repeat(200_000);
    const { log } = await logOf(`"${long}"\n"b"\n"c`);
    expect(await log.count()).toBe(2);
    expect(await log.read(0, 1)).toEqual({ lines: [{ index: 0, value: long }], next: 1 });
    expect(await log.read(1, 5)).toEqual({ lines: [{ index: 1, value: 'b' }], next: 2 });
  });

  it('should count once for calls at the same time', async () => {
    const { log } = await logOf('1\n2\n');
    expect(await Promise.all([log.count(), log.count(), log.read(0, 9)])).toMatchObject([2, 2, { next: 2 }]);
  });

  it('should begin anew where the log was cut off or replaced, and say so', async () => {
    const { path, log } = await logOf('1\n2\n3\n');
    expect([await log.count(), log.version]).toEqual([3, 0]);
    await truncate(path, 2);
    expect([await log.count(), log.version]).toEqual([1, 1]);
    await appendFile(path, '4\n');
    expect(await log.read(1, 9)).toEqual({ lines: [{ index: 1, value: 4 }], next: 2 });
    await writeFile(`${path}.new`, '5\n6\n7\n');
    await rename(`${path}.new`, path);
    expect([await log.count(), log.version]).toEqual([3, 2]);
    expect(await log.read(0, 1)).toMatchObject({ lines: [{ value: 5 }] });
  });
});
