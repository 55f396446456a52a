/** @file What an operator of the tfjs engine is: a function of one application, in terms of TensorFlow.js. */

import { TributaryError } from '../../../../errors.js';
import type { Node } from '../../../graph/graph.js';

/** The library, from whichever package was loaded. */
export type Tf = typeof import('@tensorflow/tfjs');
export type TfTensor = import('@tensorflow/tfjs').Tensor;

/** One application of an operator while a graph runs. */
export interface Application {
  readonly tf: Tf;
  readonly op: string;
  readonly name: string;
  readonly attributes: Node['attributes'];
  readonly numInputs: number;
  readonly numOutputs: number;
  /** Whether an optional input is present. */
  has(index: number): boolean;
  input(index: number): TfTensor;
  /** An integer input as numbers (axes, shapes, pads); undefined if it is absent. */
  integers(index: number): number[] | undefined;
  /** A float input as numbers (bounds, scales); undefined if it is absent. */
  floats(index: number): number[] | undefined;
  /** Whether the gradient with respect to an input is needed. */
  isDifferentiated(index: number): boolean;
  /** An input in another layout, which is computed only once for a constant. */
  laidOut(index: number, layout: string, lay: (x: TfTensor) => TfTensor): TfTensor;
}

/** Returns the outputs: new tensors, or inputs unchanged. The interpreter frees the rest. */
export type Op = (application: Application) => TfTensor | readonly TfTensor[];

/** Throws the error for a form of an operator that is not supported, naming the node. */
export function unsupported({ op, name }: Application, expected: string, got: string): never {
  throw new TributaryError(
    'TRIB_ENGINE',
    `${op} "${name}": expected ${expected}, got ${got}. Use the engine onnxruntime, or export the model with other operators.`,
  );
}

/** All inputs of an operator that has no optional ones. */
export function allInputs({ numInputs, input }: Application): TfTensor[] {
  return Array.from({ length: numInputs }, (_, index) => input(index));
}
