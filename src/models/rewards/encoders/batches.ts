/** @file Pictures through a graph, batch by batch. */

import { inOrder } from '../../engines/chunks.js';

/** Runs that are prepared while others are computed. More would only hold more pictures. */
const RUNS_AT_ONCE = 16;

/**
 * Returns the rows of all items, in order, from runs of at most `batchSize`. `fixed` is the first axis of the graph: if it is
 * a number, every run has that many rows, and the last one repeats its first item until it is full.
 */
export async function inRuns<Item, Row>(
  items: readonly Item[],
  batchSize: number,
  fixed: number | string | undefined,
  run: (batch: readonly Item[]) => Promise<readonly Row[]>,
): Promise<Row[]> {
  const size = typeof fixed === 'number' ? fixed : batchSize;
  const starts = Array.from({ length: Math.ceil(items.length / size) }, (_, index) => index * size);
  const rows: Row[] = [];
  const runs = inOrder(starts, RUNS_AT_ONCE, async (start) => {
    const batch = items.slice(start, start + size);
    const [first] = batch;
    const filled =
      typeof fixed === 'number' && first !== undefined
        ? [...batch, ...Array<Item>(size - batch.length).fill(first)]
        : batch;
    return (await run(filled)).slice(0, batch.length);
  });
  for await (const ofRun of runs) rows.push(...ofRun);
  return rows;
}
