import { TributaryError } from './errors.js';

/**
 * Returns an element that the list must have. Negative indices count from the end, as in `Array.at`. A wrong assumption
 * becomes an error on the spot, not a wrong number later on.
 *
 * Errors: TRIB_INTERNAL if the list is too short.
 */
export function at<Item>(list: ArrayLike<Item>, index: number): Item {
  const position = index < 0 ? list.length + index : index;
  const item = list[position];
  if (item !== undefined) return item;
  throw new TributaryError(
    'TRIB_INTERNAL',
    `list of ${list.length}: expected an element at ${index}, got none. This is a fault of Tributary; report it with the config.`,
  );
}

/** Returns the value of a name that a record must have. Errors: TRIB_INTERNAL if it does not. */
export function named<Value>(values: Readonly<Record<string, Value>>, name: string): Value {
  const value = values[name];
  if (value !== undefined) return value;
  throw new TributaryError(
    'TRIB_INTERNAL',
    `"${name}": expected a value of this name, got none. This is a fault of Tributary; report it with the config.`,
  );
}
