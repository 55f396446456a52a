/**
 * @file An ONNX graph as a value. As in ONNX, values are identified by name. Every value has an element type and a static shape,
 * because the backward pass is derived from shapes.
 */

import type { ElementType, Tensor } from '../tensor.js';

/** The operator set of every graph here (LayerNormalization 17, reductions with axis inputs 18, Gelu 20). */
export const OPSET = 20;

/** The type of a network's weights and activations, and of its computation where that is safe. */
export const PRECISIONS = ['float32', 'float16'] as const;

export type Precision = (typeof PRECISIONS)[number];

/** What a file may hold of a constant that a graph has in float32. */
export type HalfType = 'float16' | 'bfloat16';

/** One edge of the graph: an input, an initializer, or the output of a node. */
export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'tensor'; readonly value: Tensor };

export type Attributes = Readonly<Record<string, Attribute>>;

/** One application of an operator. An absent optional input is `undefined` at its position. */
export interface Node {
  /** Scoped name, e.g. `/down_blocks.1/attentions.0/transformer_blocks.0/attn1/to_q/MatMul`. */
  readonly name: string;
  readonly op: string;
  /** '' is the ONNX domain; 'com.microsoft' holds onnxruntime's fused operators. */
  readonly domain: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
  /** In a derived graph, the node of the forward pass that this one repeats, or helps to differentiate. */
  readonly forward?: Node;
}

/**
 * A constant whose numbers are in a file, dense and little-endian, as in graphs of gigabytes. Engines map the file, so that
 * everything that runs the graph shares one copy, and the numbers are never loaded here.
 */
export interface StoredTensor {
  readonly type: ElementType;
  /**
   * Set if the file holds the numbers in half precision although `type` is float32: passes treat the constant as float32.
   * `toHalfPrecision` gives it the file's type; in a graph that stays in single precision every node that reads it raises it
   * for itself (`raisedWeights`).
   */
  readonly inFile?: HalfType;
  readonly shape: readonly number[];
  /** Folder of the model, and the path of the file in it. */
  readonly folder: string;
  readonly location: string;
  /** Position of the first byte in the file, a multiple of the element size. */
  readonly offset: number;
}

/** Constants of at least this many bytes may be stored outside a model; passes read the values of smaller ones. */
export const LARGE_BYTES = 2 ** 20;

/** A whole graph: nodes in topological order, constants by name. */
export interface Graph {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  /** Constants on disk. */
  readonly stored: ReadonlyMap<string, StoredTensor>;
  readonly nodes: readonly Node[];
}

export const int = (value: number): Attribute => ({ kind: 'int', value });
export const float = (value: number): Attribute => ({ kind: 'float', value });
export const text = (value: string): Attribute => ({ kind: 'string', value });
export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value });

type Kind = Attribute['kind'];
type AttributeValue<K extends Kind> = Extract<Attribute, { kind: K }>['value'];

/** Reads an attribute of one kind; undefined if the node has none. */
function read<K extends Kind>({ attributes }: Pick<Node, 'attributes'>, name: string, kind: K) {
  const attribute = attributes[name];
  return attribute?.kind === kind ? (attribute.value as AttributeValue<K>) : undefined;
}

const reader =
  <K extends Kind>(kind: K) =>
  (node: Pick<Node, 'attributes'>, name: string, otherwise: AttributeValue<K>): AttributeValue<K> =>
    read(node, name, kind) ?? otherwise;

/** Each reads an attribute, or returns its ONNX default if the node has none. */
export const intAttribute = reader('int');
export const floatAttribute = reader('float');
export const textAttribute = reader('string');

/** Reads a list of integers; undefined if the node has none. */
export const intsAttribute = (node: Pick<Node, 'attributes'>, name: string): readonly number[] | undefined =>
  read(node, name, 'ints');

/** Formats a shape for messages: `[2, 64]`. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
