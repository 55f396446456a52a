import { integer } from '../../../fields.js';

/** How many pictures go through at once; `meaning` says through what. */
export const batchSizeField = (meaning: string) =>
  integer(1, 4096).default(32).describe(`${meaning} at most; the last one of a group may hold fewer.`);
