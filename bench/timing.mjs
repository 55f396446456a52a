/** @file Timing of several things in turn, so that a machine that slows down slows all of them. */

/**
 * Runs each thing once a round, after a round that does not count.
 * @returns by name, the seconds of every run: by the clock, and of all cores together (`cpuSeconds`), which a busy machine
 * changes less.
 */
export async function timesOf(runs, rounds) {
  const times = Object.fromEntries(runs.map(({ name }) => [name, { seconds: [], cpuSeconds: [] }]));
  for (let round = 0; round <= rounds; round++) {
    for (const { name, run } of runs) {
      const [startedAt, before] = [performance.now(), process.cpuUsage()];
      await run();
      if (round === 0) continue;
      const { user, system } = process.cpuUsage(before);
      times[name].seconds.push((performance.now() - startedAt) / 1000);
      times[name].cpuSeconds.push((user + system) / 1e6);
    }
  }
  return times;
}

/** The median seconds of each by name. */
export async function medianSeconds(runs, rounds) {
  const times = Object.entries(await timesOf(runs, rounds));
  return Object.fromEntries(times.map(([name, { seconds }]) => [name, median(seconds)]));
}

/** One list of times out of those of several processes. */
export const joined = (parts) => ({
  seconds: parts.flatMap(({ seconds }) => seconds),
  cpuSeconds: parts.flatMap(({ cpuSeconds }) => cpuSeconds),
});

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
