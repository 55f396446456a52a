/** @file Pictures through a graph, batch by batch. */

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
  const rows: Row[] = [];
  for (let start = 0; start < items.length; start += size) {
    const batch = items.slice(start, start + size);
    const [first] = batch;
    const filled =
      typeof fixed === 'number' && first !== undefined
        ? [...batch, ...Array<Item>(size - batch.length).fill(first)]
        : batch;
    rows.push(...(await run(filled)).slice(0, batch.length));
  }
  return rows;
}
