import type { RunEvent, Say } from '../../messages/run-events.js';

interface Part {
  close(): Promise<void>;
}

interface OpeningPart {
  readonly opened: Promise<Part>;
  /** What it said before its turn came. */
  readonly said: RunEvent[];
}

/**
 * Opens parts of a run at the same time.
 *
 * What they say is passed on in the order in which their opening began. Of several that fail, the first in that order counts.
 */
export class OpenParts {
  readonly #parts: OpeningPart[] = [];
  #isReady = false;

  constructor(private readonly say: Say) {}

  /** Begins to open a part. `ready` says whether that worked: a failure need not be handled here. */
  open<Opened extends Part>(open: (say: Say) => Promise<Opened>): Promise<Opened> {
    const said: RunEvent[] = [];
    const opened = open((event) => (this.#isReady ? this.say(event) : said.push(event)));
    opened.catch(() => undefined);
    this.#parts.push({ opened, said });
    return opened;
  }

  /** Resolves when all parts are open. If one fails, the others are closed once they are open, and its error is thrown. */
  async ready(): Promise<void> {
    const settled = await Promise.allSettled(this.#parts.map(({ opened }) => opened));
    this.#isReady = true;
    for (const [index, result] of settled.entries()) {
      this.#parts[index]?.said.forEach(this.say);
      if (result.status === 'fulfilled') continue;
      await this.close();
      throw result.reason;
    }
  }

  async close(): Promise<void> {
    const settled = await Promise.allSettled(this.#parts.map(({ opened }) => opened));
    await Promise.all(settled.map((result) => result.status === 'fulfilled' && result.value.close()));
  }
}
