/**
 * @file Work on a key waits for the work on that key before it, however it ends: a send that is tried again would
 * otherwise be overtaken by the next one.
 */
export class KeyOrder {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Does the work when all work on these keys that was handed in before is done. **Memory**: the keys of open work. */
  async afterThose<Result>(keys: readonly string[], work: () => Promise<Result>): Promise<Result> {
    const before = Promise.allSettled(keys.map((key) => this.#last.get(key)));
    const result = before.then(work);
    const done: Promise<void> = result.then(
      () => this.#forget(keys, done),
      () => this.#forget(keys, done),
    );
    for (const key of keys) this.#last.set(key, done);
    return result;
  }

  #forget(keys: readonly string[], done: Promise<unknown>): void {
    for (const key of keys) if (this.#last.get(key) === done) this.#last.delete(key);
  }
}
