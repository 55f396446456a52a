import { type Path, writePath } from './fault.js';

interface Difference {
  /** Such as `stages.trainer.clipRange`. */
  readonly path: string;
  /** JSON of the values, or `nothing`. */
  readonly left: string;
  readonly right: string;
}

/** Returns the first place where two plain values differ, or nothing. A key whose value is undefined counts as missing. */
export function firstDifference(left: unknown, right: unknown, path: Path = []): Difference | undefined {
  if (isContainer(left) && isContainer(right) && Array.isArray(left) === Array.isArray(right)) {
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
      const part = Array.isArray(left) ? Number(key) : key;
      const difference = firstDifference(Reflect.get(left, key), Reflect.get(right, key), [...path, part]);
      if (difference) return difference;
    }
    return undefined;
  }
  return Object.is(left, right)
    ? undefined
    : { path: writePath(path), left: shown(left), right: shown(right) };
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
