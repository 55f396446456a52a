/** @file How values of options are read. */
import { InvalidArgumentError } from 'commander';

/** Gathers the values of an option that may be given several times. */
export function collect(value: string, gathered: readonly string[] = []): string[] {
  return [...gathered, value];
}

/** Returns a reader of whole numbers of at least `least`. */
export function whole(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`);
  };
}

/** Reads a number that is at least 0. */
export function notNegative(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('Expected a number of at least 0.');
}
