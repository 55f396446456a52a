import { closest, distance } from 'fastest-levenshtein';

/** Returns the name that was probably meant, or nothing when none is close: up to 2 edits, or a third of the length. */
export function nearestName(written: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const nearest = closest(written, known);
  return distance(written, nearest) <= Math.max(2, written.length / 3) ? nearest : undefined;
}
