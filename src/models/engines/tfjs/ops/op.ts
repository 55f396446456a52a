/** @file What an operator of the tfjs engine is: a function of an application, in the words of TensorFlow.js. */

import { TributaryError } from '../../../../errors.js';
import type { Node } from '../../../graph/graph.js';

/** The library, whichever package of it was loaded. */
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
  /** Whether there is an input at a position: optional ones may be absent. */
  has(index: number): boolean;
  input(index: number): TfTensor;
  /** An integer input as numbers (axes, shapes, pads), or `undefined` where it is absent. */
  integers(index: number): number[] | undefined;
  /** A float input as numbers (bounds, scales), or `undefined` where it is absent. */
  floats(index: number): number[] | undefined;
  /** Whether the gradient of an input is going to be asked for. */
  isDifferentiated(index: number): boolean;
  /** An input in another layout. That of a constant is made once, for all runs. */
  laidOut(index: number, layout: string, lay: (x: TfTensor) => TfTensor): TfTensor;
}

/** Gives the outputs, fresh tensors or inputs as they are; the driver cleans up behind it. */
export type Op = (application: Application) => TfTensor | readonly TfTensor[];

/** Says that a form of an operator is not there, naming the node. */
export function unsupported({ op, name }: Application, expected: string, got: string): never {
  throw new TributaryError(
    'TRIB_ENGINE',
    `${op} "${name}": expected ${expected}, got ${got}. Use the engine onnxruntime, or export the model with other operators.`,
  );
}

/** All inputs, none of them absent. */
export function allInputs({ numInputs, input }: Application): TfTensor[] {
  return Array.from({ length: numInputs }, (_, index) => input(index));
}
