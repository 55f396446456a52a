/**
 * @file Constants that a file holds in half precision, in a model that computes in single precision. They stay in the file,
 * which is mapped; a node that reads one reads a Cast of it, so that of each layer's weights a float32 copy exists only while
 * the layer runs. Raising is exact: the model computes what it would with the same numbers saved in float32.
 *
 * That depends on the runtime (onnxruntime 1.30). It orders nodes from the outputs back, and of what a node reads
 * it computes last what is listed first: casts at the head of the model run just before their readers, casts elsewhere
 * all run at the start. And it must neither fold the casts nor merge those of one constant (`mappedWeights` in the engine).
 */

import { type Graph, int, type Node, type Value } from '../graph.js';
import { elementCode } from './element-codes.js';

interface RaisedWeights {
  /** The value to read in place of another: each call raises a constant in half precision anew. */
  read(value: Value): Value;
  /** The nodes that raise, so far. */
  readonly casts: readonly Node[];
}

/** Whether any of the constants is in half precision in its file. */
export const areRaised = (stored: Graph['stored']): boolean =>
  [...stored.values()].some(({ inFile }) => inFile !== undefined);

/** Raises the constants that `inFile` marks. */
export function raisedWeights(stored: Graph['stored']): RaisedWeights {
  const casts: Node[] = [];
  return {
    casts,
    read(value) {
      if (stored.get(value.name)?.inFile === undefined) return value;
      const name = `${value.name}_raised_${casts.length}`;
      const output: Value = { ...value, name };
      const attributes = { to: int(elementCode('float32')) };
      casts.push({ name, op: 'Cast', domain: '', inputs: [value], outputs: [output], attributes });
      return output;
    },
  };
}
