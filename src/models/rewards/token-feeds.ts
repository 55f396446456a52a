/** @file A text as the feeds of a text encoder: token ids, and which of them are more than padding. */

import type { Tokenizer } from '../diffusion/tokenizer.js';
import type { Port } from '../engines/engine.js';
import { int32, int64, type Tensor } from '../tensor.js';

/** Number of tokens up to the end token, that included: what an attention mask lets through. */
export function tokenCount(tokenizer: Tokenizer, ids: Int32Array): number {
  // The empty text is begin and end alone, which says what the end token is, also where padding is the same token.
  const end = tokenizer.encode('')[1];
  const last = end === undefined ? -1 : ids.indexOf(end, 1);
  return last < 0 ? ids.length : last + 1;
}

/** Rows [rows, tokens] of one text each, in the integer type that the port takes. */
export function integerRows(row: Int32Array, rows: number, type: Port['type'] | undefined): Tensor {
  const shape = [rows, row.length];
  const data = new Int32Array(rows * row.length);
  for (let start = 0; start < data.length; start += row.length) data.set(row, start);
  return type === 'int32' ? int32(data, shape) : int64([...data], shape);
}

/** input_ids [1, tokens]; attention_mask and token_type_ids where the graph takes them. */
export function tokenFeeds(
  tokenizer: Tokenizer,
  text: string,
  inputs: readonly Port[],
): Readonly<Record<string, Tensor>> {
  const ids = tokenizer.encode(text);
  const count = tokenCount(tokenizer, ids);
  const rows: Readonly<Record<string, Int32Array>> = {
    input_ids: ids,
    attention_mask: ids.map((_, index) => Number(index < count)),
    token_type_ids: new Int32Array(ids.length),
  };
  return Object.fromEntries(
    inputs.flatMap(({ name, type }) => {
      const row = rows[name];
      return row === undefined ? [] : [[name, integerRows(row, 1, type)]];
    }),
  );
}
