import { createHash } from 'node:crypto';
import * as z from 'zod';

/** A line of `deleted.jsonl`. */
export const deletionLineSchema = z.object({
  /** As {@link personKey} gives it. */
  person: z.string().regex(/^[0-9a-f]{64}$/),
  /** Milliseconds since 1970. */
  until: z.number().min(0),
});

export type DeletionLine = Readonly<z.output<typeof deletionLineSchema>>;

/** What stands for a name in what is kept of its deletion: SHA-256 of its UTF-8, in hexadecimal. */
export const personKey = (name: string): string => createHash('sha256').update(name).digest('hex');

/** Who was deleted, and until when: what comes later, but was asked or said before, is not kept either. */
export class DeletedPeople {
  /** By the key of the person. */
  readonly #until = new Map<string, number>();

  constructor(lines: readonly DeletionLine[]) {
    for (const line of lines) this.add(line);
  }

  /** Returns whether it says more than was known. */
  add({ person, until }: DeletionLine): boolean {
    if (until <= (this.#until.get(person) ?? -1)) return false;
    this.#until.set(person, until);
    return true;
  }

  /** Whether what somebody did at a time is deleted. */
  covers(name: string | null, time: number): boolean {
    if (this.#until.size === 0 || name === null) return false;
    return time <= (this.#until.get(personKey(name)) ?? -1);
  }

  /** Drops deletions from before a time. Returns what is left; null where nothing was dropped. */
  prune(before: number): readonly DeletionLine[] | null {
    const size = this.#until.size;
    for (const [person, until] of this.#until) if (until < before) this.#until.delete(person);
    if (this.#until.size === size) return null;
    return Array.from(this.#until, ([person, until]) => ({ person, until }));
  }
}
