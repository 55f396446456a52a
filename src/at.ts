import { TributaryError } from './errors.js';

/**
 * Returns the element of a list that is known to be there; negative indices count from the end, as in `Array.at`. A wrong
 * assumption becomes an error where it is made, not a wrong number further on.
 *
 * Errors: TRIB_INTERNAL where the list is shorter.
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
