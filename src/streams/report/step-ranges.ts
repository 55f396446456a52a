/** @file Lists of sampler steps, as ranges without a gap. */

/** Ascending steps as runs without a gap, each from its first step to the one after its last. */
export function stepRanges(steps: readonly number[]): [first: number, end: number][] {
  const ranges: [number, number][] = [];
  for (const step of steps) {
    const range = ranges.at(-1);
    if (range?.[1] === step) range[1] = step + 1;
    else ranges.push([step, step + 1]);
  }
  return ranges;
}

/** `3–9`, or `0–2, 5` where there are gaps. */
export function writeSteps(steps: readonly number[]): string {
  return stepRanges(steps)
    .map(([first, end]) => (end === first + 1 ? String(first) : `${first}–${end - 1}`))
    .join(', ');
}
