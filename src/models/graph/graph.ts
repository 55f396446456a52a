/**
 * @file An ONNX graph as a value. Names are the identity of values, as in ONNX; every value knows its element type and
 * its static shape, because the backward pass is derived from shapes.
 */

import type { ElementType, Tensor } from '../tensor.js';

/** The operator set that every graph here is written in (LayerNormalization 17, reductions with axis inputs 18, Gelu 20). */
export const OPSET = 20;

/** What a network stores its weights and activations in, and computes in where that is safe. */
export const PRECISIONS = ['float32', 'float16'] as const;

export type Precision = (typeof PRECISIONS)[number];

/** One edge of the graph: produced by a node, an input, or an initializer. */
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

/** One operator application. An absent optional input is `undefined` at its position. */
export interface Node {
  /** Scoped name, e.g. `/down_blocks.1/attentions.0/transformer_blocks.0/attn1/to_q/MatMul`. */
  readonly name: string;
  readonly op: string;
  /** '' is the ONNX domain; 'com.microsoft' holds onnxruntime's fused operators. */
  readonly domain: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
  /** In a derived graph: the node of the forward pass whose derivative this one helps to compute, or which it repeats. */
  readonly forward?: Node;
}

/**
 * A constant whose numbers lie in a file, dense and little-endian, as a graph of gigabytes has them: engines map the file, so
 * that all who run the graph share one copy, and nothing here ever holds the numbers.
 */
export interface StoredTensor {
  readonly type: ElementType;
  /**
   * Present where the file holds the numbers in half precision, and `type` is float32: the graph is computed with as if they
   * were, and `inHalfPrecision` makes them what they are before anything runs.
   */
  readonly inFile?: 'float16';
  readonly shape: readonly number[];
  /** Folder of the model, and the file in it or below it. */
  readonly folder: string;
  readonly location: string;
  /** Place of the first byte in the file, a multiple of the size of an element. */
  readonly offset: number;
}

/** Constants of at least so many bytes are worth a place outside of a model; smaller ones are looked into here and there. */
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

/** Reads an integer attribute, or its ONNX default where the node has none. */
export function intAttribute(node: Pick<Node, 'attributes'>, name: string, otherwise: number): number {
  const attribute = node.attributes[name];
  return attribute?.kind === 'int' ? attribute.value : otherwise;
}

/** Reads a float attribute, or its ONNX default where the node has none. */
export function floatAttribute(node: Pick<Node, 'attributes'>, name: string, otherwise: number): number {
  const attribute = node.attributes[name];
  return attribute?.kind === 'float' ? attribute.value : otherwise;
}

/** Reads a string attribute, or its ONNX default where the node has none. */
export function textAttribute(node: Pick<Node, 'attributes'>, name: string, otherwise: string): string {
  const attribute = node.attributes[name];
  return attribute?.kind === 'string' ? attribute.value : otherwise;
}

/** Reads a list of integers, or `undefined` where the node has none. */
export function intsAttribute(node: Pick<Node, 'attributes'>, name: string): readonly number[] | undefined {
  const attribute = node.attributes[name];
  return attribute?.kind === 'ints' ? attribute.value : undefined;
}

/** `[2, 64]`, as shapes are written in messages. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
