/** @file Vectors of new tokens in the table of a text encoder. */
import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { float32 } from '../../tensor.js';
import type { Graph } from '../graph.js';
import { numbersOf } from './free-weights.js';

/** What new tokens mean: one vector for each id from `firstId` on. */
export interface TokenRows {
  readonly firstId: number;
  readonly vectors: Float32Array;
  readonly width: number;
}

/** What PyTorch calls the table of CLIP's text encoders. */
const TABLE = /(^|\.)embeddings\.token_embedding\.weight$/;

/**
 * Returns the graph of a text encoder whose table [rows, width] has the vectors as well: the rows from `firstId` on are
 * replaced, or added. The table is in memory then, wherever it was.
 *
 * Errors: TRIB_MODEL if the graph has no such table under its name, or one of another width.
 */
export function withTokenRows(graph: Graph, { firstId, vectors, width }: TokenRows, label: string): Graph {
  const tables = [...graph.initializers, ...graph.stored].filter(([name]) => TABLE.test(name));
  const [[name, table] = ['', null]] = tables;
  if (table === null || table.shape.length !== 2 || at(table.shape, 1) !== width) {
    const got = table === null ? 'none of that name' : `[${table.shape.join(', ')}]`;
    const text = `${label}: expected a table [tokens, ${width}] called token_embedding.weight for the vectors of model.embeddings, got ${got}. Use embeddings that were made for this model, or its text encoder as safetensors.`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  const known = numbersOf(table);
  const rows = Math.max(at(table.shape, 0), firstId + vectors.length / width);
  const values = new Float32Array(rows * width);
  values.set(known);
  values.set(vectors, firstId * width);
  const [initializers, stored] = [new Map(graph.initializers), new Map(graph.stored)];
  stored.delete(name);
  initializers.set(name, float32(values, [rows, width]));
  return { ...graph, initializers, stored };
}
