/** @file How many rows make up one run, and runs side by side whose results keep their order. */

/** Positions (height times width) of all latents of a run whose activations stay near the core that computes them. */
const CACHED_POSITIONS = 4096;

/** Runs that a batch is split into at least, where it has as many rows: work for several cores. */
const FEWEST_RUNS = 4;

/**
 * Returns the rows of one run for a batch: as many as fit for the cache, and the number that wastes least on filling up the
 * last run. It depends on sizes alone and not on the machine, because the order of sums in a row may depend on it.
 * @param positions of one row's latent, its height times its width.
 */
export function chunkSize(rows: number, positions: number): number {
  const most = Math.max(
    1,
    Math.min(Math.floor(rows / FEWEST_RUNS), Math.floor(CACHED_POSITIONS / positions)),
  );
  const filledUp = (size: number) => Math.ceil(rows / size) * size;
  let best = most;
  for (let size = most - 1; size > most / 2; size--) if (filledUp(size) < filledUp(best)) best = size;
  return best;
}

/**
 * Starts something for every item, at most `atOnce` at a time, and yields the results in the order of the items.
 *
 * Errors: the first of an item, in that order; by then all that was started has ended.
 */
export async function* inOrder<Item, Result>(
  items: Iterable<Item>,
  atOnce: number,
  start: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const running: Promise<Result>[] = [];
  const next = () => running.shift() as Promise<Result>;
  try {
    for (const item of items) {
      const result = start(item);
      // An error is told when it is this result's turn.
      result.catch(() => undefined);
      running.push(result);
      if (running.length >= atOnce) yield await next();
    }
    while (running.length > 0) yield await next();
  } finally {
    await Promise.allSettled(running);
  }
}
