import { open, stat } from 'node:fs/promises';

/** Some lines of a log, and the index of the line after them. */
export interface LoggedLines {
  /** Those that are JSON. */
  readonly lines: readonly { readonly index: number; readonly value: unknown }[];
  readonly next: number;
}

const CHUNK_BYTES = 2 ** 18;
const LINE_END = 10;

/**
 * The lines of a log that grows, by index. It remembers where each line begins, so what was read before is not read again. A log
 * that was replaced, as a resumed run does, or cut off is read anew.
 */
export class LogLines {
  /** Where whole lines end, in bytes from the start of the file. */
  #ends: number[] = [];
  #inode = 0;
  /** Raised whenever the lines are no longer those of before. */
  version = 0;

  constructor(private readonly path: string) {}

  #counting: Promise<number> | undefined;

  /** The number of whole lines now. Calls at the same time look once. */
  count(): Promise<number> {
    this.#counting ??= this.#count().finally(() => {
      this.#counting = undefined;
    });
    return this.#counting;
  }

  async #count(): Promise<number> {
    const { size, ino } = await stat(this.path).catch(() => ({ size: 0, ino: 0 }));
    const known = this.#ends.at(-1) ?? 0;
    if (size < known || (ino !== this.#inode && known > 0)) {
      this.#ends = [];
      this.version += 1;
    }
    this.#inode = ino;
    if (size > (this.#ends.at(-1) ?? 0)) await this.#findEnds(size);
    return this.#ends.length;
  }

  /** Reads lines from one on. Errors: those of the file system. */
  async read(after: number, most: number): Promise<LoggedLines> {
    const next = Math.max(after, Math.min(await this.count(), after + most));
    const from = this.#ends[after - 1] ?? 0;
    const to = this.#ends[next - 1] ?? 0;
    if (next === after || to <= from) return { lines: [], next: Math.min(after, this.#ends.length) };
    const text = (await this.#bytes(from, to - from)).toString('utf8');
    const lines = text.split('\n').slice(0, next - after);
    return { lines: lines.flatMap((line, index) => parsed(line, after + index)), next };
  }

  async #findEnds(size: number): Promise<void> {
    let from = this.#ends.at(-1) ?? 0;
    while (from < size) {
      const bytes = await this.#bytes(from, Math.min(CHUNK_BYTES, size - from));
      if (bytes.length === 0) return;
      for (let at = bytes.indexOf(LINE_END); at !== -1; at = bytes.indexOf(LINE_END, at + 1))
        this.#ends.push(from + at + 1);
      from += bytes.length;
    }
  }

  async #bytes(from: number, length: number): Promise<Buffer> {
    const file = await open(this.path, 'r');
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, from);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }
}

function parsed(line: string, index: number): { readonly index: number; readonly value: unknown }[] {
  try {
    return [{ index, value: JSON.parse(line) }];
  } catch {
    return [];
  }
}
