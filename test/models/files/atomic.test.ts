import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeDirectoryAtomic, writeFault, writeFileAtomic } from '../../../src/models/files/atomic.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atomic-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const isFileFault = (...parts: string[]) =>
  expect.objectContaining({
    name: 'TributaryError',
    code: 'TRIB_FILE',
    message: expect.stringMatching(new RegExp(parts.join('.*'))),
  });

describe('writeFileAtomic', () => {
  test('should write bytes and text, make the folder, and leave nothing else', async () => {
    const path = join(folder, 'a', 'b.bin');
    await writeFileAtomic(path, Uint8Array.of(0, 255, 7));
    expect([...(await readFile(path))]).toEqual([0, 255, 7]);
    await writeFileAtomic(path, 'grüße');
    expect(await readFile(path, 'utf8')).toBe('grüße');
    expect(await readdir(join(folder, 'a'))).toEqual(['b.bin']);
  });

  test('should end with one whole content when two writers race', async () => {
    const path = join(folder, 'race');
    const contents = ['a', 'b', 'c'].map((letter) => letter.repeat(100_000));
    await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
    expect(contents).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['race']);
  });

  test('should say that a part of the path is a file', async () => {
    await writeFile(join(folder, 'plain'), 'x');
    const path = join(folder, 'plain', 'below', 'file');
    await expect(writeFileAtomic(path, 'y')).rejects.toEqual(
      isFileFault('plain/below/file: expected to write it, got ENOTDIR', 'choose another folder'),
    );
    expect(await readFile(join(folder, 'plain'), 'utf8')).toBe('x');
  });

  test('should leave no temporary file when the rename fails', async () => {
    await mkdir(join(folder, 'taken', 'inside'), { recursive: true });
    await expect(writeFileAtomic(join(folder, 'taken'), 'y')).rejects.toEqual(isFileFault('got EISDIR'));
    expect(await readdir(folder)).toEqual(['taken']);
  });
});

describe('writeDirectoryAtomic', () => {
  test('should write every file, also in folders below', async () => {
    const path = join(folder, 'checkpoints', '3');
    await writeDirectoryAtomic(path, { 'state.json': '{}', 'deep/er/x.bin': Uint8Array.of(1) });
    expect(await readFile(join(path, 'state.json'), 'utf8')).toBe('{}');
    expect([...(await readFile(join(path, 'deep/er/x.bin')))]).toEqual([1]);
    expect(await readdir(join(folder, 'checkpoints'))).toEqual(['3']);
  });

  test('should replace an older folder as a whole', async () => {
    const path = join(folder, '3');
    await writeDirectoryAtomic(path, { old: '1', both: '1' });
    await writeDirectoryAtomic(path, { new: '2', both: '2' });
    expect((await readdir(path)).sort()).toEqual(['both', 'new']);
    expect(await readdir(folder)).toEqual(['3']);
  });

  test('should show no part of a folder whose writing fails halfway', async () => {
    const path = join(folder, '3');
    // The second file lies "under" the first one: the fault comes after bytes were written.
    await expect(writeDirectoryAtomic(path, { a: '1', 'a/b': '2' })).rejects.toEqual(
      isFileFault('/3: expected'),
    );
    expect(await readdir(folder)).toEqual([]);
  });

  test('should keep the older folder when the new one fails halfway', async () => {
    const path = join(folder, '3');
    await writeDirectoryAtomic(path, { a: 'old' });
    await expect(writeDirectoryAtomic(path, { a: 'new', 'a/b': '2' })).rejects.toEqual(
      isFileFault('/3: expected'),
    );
    expect(await readFile(join(path, 'a'), 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['3']);
  });

  test.runIf(process.platform === 'linux')(
    'should report a disk that is full when the bytes do not fit',
    async () => {
      // Every name in this folder leads to a device that has no space.
      await symlink('/dev/full', join(folder, 'full'));
      const { code, message } = await writeFile(join(folder, 'full'), 'x').then(
        () => expect.unreachable(),
        (cause: unknown) => writeFault(join(folder, 'checkpoint'), cause),
      );
      expect(code).toBe('TRIB_FILE');
      expect(message).toMatch(/checkpoint: expected to write it, got ENOSPC\. The disk is full/);
    },
  );
});

describe('writeFault', () => {
  test.each([
    ['EACCES', 'permission to write'],
    ['EROFS', 'read-only'],
    ['ENOSPC', 'disk is full'],
    ['EIO', 'Check the disk'],
  ])('should name %s and the next step', (code, nextStep) => {
    const cause = Object.assign(new Error('refused'), { code });
    expect(writeFault('runs/a/state.json', cause)).toEqual(
      isFileFault(`^runs/a/state.json: expected to write it, got ${code}\\.`, nextStep),
    );
    expect(writeFault('runs/a/state.json', cause).cause).toBe(cause);
  });
});
