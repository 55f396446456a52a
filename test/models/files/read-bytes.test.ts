/** @file Reads in pieces: Node takes no single read of 2 GiB, so a small limit stands for it here. */
import { closeSync, openSync } from 'node:fs';
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha256 } from '../../../src/models/files/checksum.js';
import { readBytes, readBytesSync, readWholeFile } from '../../../src/models/files/read-bytes.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const CONTENT = Uint8Array.from({ length: 100 }, (_, i) => i);

/** A file that refuses a read beyond the limit, as Node does, and gives less than it is asked for. */
const strictFile = (most: number) => ({
  async read(bytes: Uint8Array, offset: number, length: number, position: number) {
    if (length > most) throw new RangeError(`a read of ${length} bytes`);
    const given = CONTENT.subarray(position, position + Math.max(1, length - 1));
    bytes.set(given, offset);
    return { bytesRead: given.length, buffer: bytes };
  },
});

describe('readBytes', () => {
  test('should ask for no more than the limit at once, whatever a read gives', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(100),
        fc.nat(100),
        fc.integer({ min: 1, max: 101 }),
        async (start, length, most) => {
          const bytes = new Uint8Array(Math.min(length, 100 - start));
          await readBytes(strictFile(most) as never, bytes, start, most);
          expect(bytes).toEqual(CONTENT.slice(start, start + bytes.length));
        },
      ),
    );
  });

  test('should read the same from a file on disk, in both ways, and say where a file ends', async () => {
    const path = join(await temporaryFolder(), 'content');
    await writeFile(path, CONTENT);
    const [bytes, sync] = [new Uint8Array(90), new Uint8Array(90)];
    const file = await open(path);
    const number = openSync(path, 'r');
    try {
      await readBytes(file, bytes, 10, 7);
      readBytesSync(number, sync, 10, 7);
      expect([bytes, sync]).toEqual([CONTENT.slice(10), CONTENT.slice(10)]);
      await expect(readBytes(file, bytes, 11)).rejects.toThrow('an end after 100 bytes');
      expect(() => readBytesSync(number, sync, 11)).toThrow('an end after 100 bytes');
    } finally {
      await file.close();
      closeSync(number);
    }
    const whole = await readWholeFile(path);
    expect([whole, Buffer.isBuffer(whole)]).toEqual([CONTENT, false]);
  });

  test('should be the only place that reads a part of a file', async () => {
    const source = new URL('../../../src/', import.meta.url).pathname;
    const paths = (await readdir(source, { recursive: true })).filter((path) => path.endsWith('.ts'));
    const texts = await Promise.all(paths.map((path) => readFile(join(source, path), 'utf8')));
    const readers = paths.filter((_, i) => /\breadSync\(|\bfile\.read\(\w+,/.test(texts[i] ?? ''));
    expect(readers).toEqual([join('models', 'files', 'read-bytes.ts')]);
  });
});

describe('sha256', () => {
  test('should be the same in pieces', () => {
    const whole = sha256(CONTENT);
    expect(whole).toBe('bce0aff19cf5aa6a7469a30d61d04e4376e4bbf6381052ee9e7f33925c954d52');
    expect([1, 33, 99, 100].map((most) => sha256(CONTENT, most))).toEqual(Array(4).fill(whole));
    expect(sha256('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });
});
