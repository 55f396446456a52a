/** @file Timing of several things in turn, so that a machine that slows down slows all of them. */

/** Runs each thing once a round, after a round that does not count; returns the median seconds of each by name. */
export async function medianSeconds(runs, rounds) {
  const seconds = Object.fromEntries(runs.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const { name, run } of runs) {
      const startedAt = performance.now();
      await run();
      if (round > 0) seconds[name].push((performance.now() - startedAt) / 1000);
    }
  }
  return Object.fromEntries(Object.entries(seconds).map(([name, values]) => [name, median(values)]));
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
