import { type Path, writePath } from './fault.js';

export interface Difference {
  /** Such as `stages.trainer.clipRange`. */
  readonly path: string;
  /** JSON of the values, or `nothing`. */
  readonly left: string;
  readonly right: string;
}

/** Returns the first place where two plain values differ, or nothing. A key whose value is undefined counts as missing. */
export function firstDifference(left: unknown, right: unknown): Difference | undefined {
  return allDifferences(left, right)[0];
}

/** Returns every place where two plain values differ, in the order of their keys. */
export function allDifferences(left: unknown, right: unknown, path: Path = []): Difference[] {
  if (isContainer(left) && isContainer(right) && Array.isArray(left) === Array.isArray(right))
    return [...new Set([...Object.keys(left), ...Object.keys(right)])].flatMap((key) => {
      const part = Array.isArray(left) ? Number(key) : key;
      return allDifferences(Reflect.get(left, key), Reflect.get(right, key), [...path, part]);
    });
  if (Object.is(left, right)) return [];
  return [{ path: writePath(path), left: shown(left), right: shown(right) }];
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
