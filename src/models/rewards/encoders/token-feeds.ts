/** @file A text as the feeds of a text encoder: token ids, and a mask of the padding. */

import type { Port } from '../../engines/contract/engine.js';
import { int32, int64, type Tensor } from '../../tensor.js';
import type { TextTokenizer, TokenizedText } from './text-tokenizer.js';

/** Returns one text in every row, [rows, tokens], in the integer type that the port takes. */
export function integerRows(row: Int32Array, rows: number, type: Port['type'] | undefined): Tensor {
  const shape = [rows, row.length];
  const data = new Int32Array(rows * row.length);
  for (let start = 0; start < data.length; start += row.length) data.set(row, start);
  return type === 'int32' ? int32(data, shape) : int64([...data], shape);
}

/** Returns the ids of a text, as many as a port [B, tokens] takes if that is fixed. */
export function tokensFor(tokenizer: TextTokenizer, text: string, port: Port | undefined): TokenizedText {
  const length = port?.shape[1];
  return tokenizer.encode(text, typeof length === 'number' ? length : undefined);
}

/** 1 for tokens, 0 for padding. */
export function attentionMask({ ids, count }: TokenizedText): Int32Array {
  return ids.map((_, index) => Number(index < count));
}

/** The inputs of text encoders, of which only the ids are required. */
export const TOKEN_INPUTS = ['input_ids', 'attention_mask', 'token_type_ids'];

/** Returns token ids [1, tokens] for `port`, and attention_mask and token_type_ids if the graph takes them. */
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
