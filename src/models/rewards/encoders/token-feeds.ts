/** @file A text as the feeds of a text encoder: token ids, and which of them are more than padding. */

import type { Port } from '../../engines/contract/engine.js';
import { int32, int64, type Tensor } from '../../tensor.js';
import type { TextTokenizer, TokenizedText } from './text-tokenizer.js';

/** Rows [rows, tokens] of one text each, in the integer type that the port takes. */
export function integerRows(row: Int32Array, rows: number, type: Port['type'] | undefined): Tensor {
  const shape = [rows, row.length];
  const data = new Int32Array(rows * row.length);
  for (let start = 0; start < data.length; start += row.length) data.set(row, start);
  return type === 'int32' ? int32(data, shape) : int64([...data], shape);
}

/** Ids of a text, as many as a port [B, tokens] takes where that is fixed. */
export function tokensFor(tokenizer: TextTokenizer, text: string, port: Port | undefined): TokenizedText {
  const length = port?.shape[1];
  return tokenizer.encode(text, typeof length === 'number' ? length : undefined);
}

/** 1 for tokens, 0 for padding. */
export function attentionMask({ ids, count }: TokenizedText): Int32Array {
  return ids.map((_, index) => Number(index < count));
}

/** What text encoders are fed beside token ids, where they take it. */
export const TOKEN_INPUTS = ['input_ids', 'attention_mask', 'token_type_ids'];

/**
 * Token ids [1, tokens]; attention_mask and token_type_ids where the graph takes them.
 * @param port The input that takes the ids.
 */
export function tokenFeeds(
  tokens: TokenizedText,
  inputs: readonly Port[],
  port: Port,
): Readonly<Record<string, Tensor>> {
  const rows: Readonly<Record<string, Int32Array>> = {
    attention_mask: attentionMask(tokens),
    token_type_ids: new Int32Array(tokens.ids.length),
    [port.name]: tokens.ids,
  };
  return Object.fromEntries(
    inputs.flatMap(({ name, type }) => {
      const row = rows[name];
      return row === undefined ? [] : [[name, integerRows(row, 1, type)]];
    }),
  );
}
