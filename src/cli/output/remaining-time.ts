/**
 * Returns a function that estimates the seconds left from the share of work done: the work since the first call is
 * taken as the measure of the rest. Null before there is a measure.
 *
 * @param now Seconds from some origin.
 */
export function remainingTime(now: () => number): (share: number) => number | null {
  let first: { readonly share: number; readonly at: number } | undefined;
  return (share) => {
    first ??= { share, at: now() };
    const done = share - first.share;
    return done > 0 ? ((now() - first.at) * (1 - share)) / done : null;
  };
}
