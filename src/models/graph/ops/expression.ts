/**
 * @file A value of a graph under construction, with the operators as its methods: `ratio.mul(advantage).neg()`. Nodes are
 * appended in the order in which JavaScript evaluates them: the receiver, the arguments from left to right, the operator.
 */

import { at } from '../../../at.js';
import { type ElementType, int64, type Tensor } from '../../tensor.js';
import { type Attributes, float, int, ints, text, type Value } from '../graph.js';
import { elementCode } from '../onnx/element-codes.js';
import type { OpName } from '../op-names.js';

export interface EmitOptions {
  /** Name of the node; without it one is made from the scope and the operator. */
  readonly name?: string;
}

/** Where expressions append their nodes: a `GraphBuilder`. */
export interface ExpressionGraph {
  emit(
    op: OpName,
    inputs: readonly (Value | undefined)[],
    attributes?: Attributes,
    options?: EmitOptions,
  ): Expression[];
  scalar(number: number): Expression;
  constant(tensor: Tensor): Expression;
  /** Stops gradients at a value. */
  addBarrier(value: Value): void;
}

/** A value of the same graph, or a number, which stands for a float32 scalar constant. */
type Operand = Value | number;

export interface SliceBounds {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly axes: readonly number[];
  readonly steps?: readonly number[];
}

/** A value to compute with. Nodes hold plain values instead, so that graphs can be cloned and sent to threads. */
export class Expression implements Value {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly #graph: ExpressionGraph;

  constructor(graph: ExpressionGraph, { name, type, shape }: Value) {
    this.#graph = graph;
    this.name = name;
    this.type = type;
    this.shape = shape;
  }

  get graph(): ExpressionGraph {
    return this.#graph;
  }

  /** The same value, as a constant to the derivative: no gradient flows into it. */
  stopGradient(): Expression {
    const copy = this.identity();
    this.#graph.addBarrier(copy);
    return copy;
  }

  // Elementwise.
  abs() {
    return this.#apply('Abs');
  }
  cos() {
    return this.#apply('Cos');
  }
  erf() {
    return this.#apply('Erf');
  }
  exp() {
    return this.#apply('Exp');
  }
  /** x Φ(x), or its form with tanh. */
  gelu(approximate?: 'tanh') {
    return this.#apply('Gelu', [], approximate && { approximate: text(approximate) });
  }
  identity() {
    return this.#apply('Identity');
  }
  log() {
    return this.#apply('Log');
  }
  neg() {
    return this.#apply('Neg');
  }
  not() {
    return this.#apply('Not');
  }
  reciprocal() {
    return this.#apply('Reciprocal');
  }
  relu() {
    return this.#apply('Relu');
  }
  sigmoid() {
    return this.#apply('Sigmoid');
  }
  sin() {
    return this.#apply('Sin');
  }
  softplus() {
    return this.#apply('Softplus');
  }
  sqrt() {
    return this.#apply('Sqrt');
  }
  tanh() {
    return this.#apply('Tanh');
  }
  leakyRelu(slope: number) {
    return this.#apply('LeakyRelu', [], { alpha: float(slope) });
  }
  /** x · sigmoid(x). Exporters write SiLU (swish) as these two nodes. */
  silu() {
    return this.mul(this.sigmoid());
  }
  /** x clipped to [low, high]; either bound may be absent. */
  clip(low?: number, high?: number) {
    return this.#apply('Clip', [low, high]);
  }
  cast(type: ElementType) {
    return this.#apply('Cast', [], { to: int(elementCode(type)) });
  }

  // Elementwise, with NumPy's broadcasting.
  add(other: Operand) {
    return this.#apply('Add', [other]);
  }
  sub(other: Operand) {
    return this.#apply('Sub', [other]);
  }
  /** number - this */
  subtractFrom(number: number) {
    return this.#graph.scalar(number).sub(this);
  }
  mul(other: Operand) {
    return this.#apply('Mul', [other]);
  }
  div(other: Operand) {
    return this.#apply('Div', [other]);
  }
  pow(exponent: Operand) {
    return this.#apply('Pow', [exponent]);
  }
  min(other: Operand) {
    return this.#apply('Min', [other]);
  }
  max(other: Operand) {
    return this.#apply('Max', [other]);
  }
  equal(other: Operand) {
    return this.#apply('Equal', [other]);
  }
  greater(other: Operand) {
    return this.#apply('Greater', [other]);
  }
  less(other: Operand) {
    return this.#apply('Less', [other]);
  }
  and(other: Operand) {
    return this.#apply('And', [other]);
  }
  or(other: Operand) {
    return this.#apply('Or', [other]);
  }
  /** `yes` where this condition holds, else `no`. */
  where(yes: Operand, no: Operand) {
    return this.#apply('Where', [yes, no]);
  }

  // Reductions and operators along an axis. Reduced axes are kept, with size 1, unless told otherwise.
  reduceSum(axes: readonly number[], keepAxes = true) {
    return this.#reduce('ReduceSum', axes, keepAxes);
  }
  reduceMean(axes: readonly number[], keepAxes = true) {
    return this.#reduce('ReduceMean', axes, keepAxes);
  }
  reduceMax(axes: readonly number[], keepAxes = true) {
    return this.#reduce('ReduceMax', axes, keepAxes);
  }
  /** Sum over every axis: a scalar. */
  sumAll() {
    return this.shape.length === 0 ? this : this.reduceSum([...this.shape.keys()], false);
  }
  /** Mean over every axis: a scalar. */
  meanAll() {
    return this.shape.length === 0 ? this : this.reduceMean([...this.shape.keys()], false);
  }
  softmax(axis = -1) {
    return this.#apply('Softmax', [], { axis: int(axis) });
  }
  logSoftmax(axis = -1) {
    return this.#apply('LogSoftmax', [], { axis: int(axis) });
  }

  // Matrix products.
  /** Product of the last two axes; the axes before them broadcast. */
  matMul(right: Value, options: EmitOptions = {}) {
    return at(this.#graph.emit('MatMul', [this, right], {}, options), 0);
  }
  /** The product of two matrices, each transposed first where asked for, plus a bias for every column. */
  gemm(right: Value, transpose: { readonly left?: boolean; readonly right?: boolean } = {}, bias?: Value) {
    return this.#apply('Gemm', bias ? [right, bias] : [right], {
      transA: int(transpose.left ? 1 : 0),
      transB: int(transpose.right ? 1 : 0),
    });
  }
  /** The last two axes swapped: the transposes of a stack of matrices. */
  matrixTranspose() {
    const rank = this.shape.length;
    return this.transpose([...this.shape.keys()].slice(0, -2).concat(rank - 1, rank - 2));
  }

  // Movement.
  /** 0 keeps an axis, -1 takes what is left. */
  reshape(shape: readonly number[]) {
    return this.#apply('Reshape', [this.#integers(shape)]);
  }
  transpose(order: readonly number[]) {
    return this.#apply('Transpose', [], { perm: ints(order) });
  }
  expand(shape: readonly number[]) {
    return this.#apply('Expand', [this.#integers(shape)]);
  }
  squeeze(axes: readonly number[]) {
    return this.#apply('Squeeze', [this.#integers(axes)]);
  }
  unsqueeze(axes: readonly number[]) {
    return this.#apply('Unsqueeze', [this.#integers(axes)]);
  }
  tile(repeats: readonly number[]) {
    return this.#apply('Tile', [this.#integers(repeats)]);
  }
  split(sizes: readonly number[], axis: number) {
    return this.#graph.emit('Split', [this, this.#integers(sizes)], { axis: int(axis) });
  }
  gather(indices: Value, axis = 0) {
    return this.#apply('Gather', [indices], { axis: int(axis) });
  }
  /** With `updates` added at places along the leading axes. */
  scatterAdd(indices: Value, updates: Value) {
    return this.#apply('ScatterND', [indices, updates], { reduction: { kind: 'string', value: 'add' } });
  }
  /** A stretch of some axes; a step of -1 with end -(size + 1) reverses one. */
  slice({ starts, ends, axes, steps }: SliceBounds) {
    const bounds = [starts, ends, axes, ...(steps ? [steps] : [])].map((list) => this.#integers(list));
    return this.#apply('Slice', bounds);
  }
  /** The order along axes reversed. */
  flip(axes: readonly number[]) {
    return this.slice({
      starts: axes.map(() => -1),
      ends: axes.map((axis) => -at(this.shape, axis) - 1),
      axes,
      steps: axes.map(() => -1),
    });
  }
  /** With zeros around it; `pads` holds the begins of all axes, then the ends. */
  pad(pads: readonly number[]): Expression {
    return pads.every((size) => size === 0) ? this : this.#apply('Pad', [this.#integers(pads), 0]);
  }

  /** Appends an operator with this value as its first input. */
  #apply(op: OpName, others: readonly (Operand | undefined)[] = [], attributes: Attributes = {}): Expression {
    const inputs = others.map((other) => (typeof other === 'number' ? this.#graph.scalar(other) : other));
    return at(this.#graph.emit(op, [this, ...inputs], attributes), 0);
  }

  #reduce(op: OpName, axes: readonly number[], keepAxes: boolean): Expression {
    return this.#apply(op, [this.#integers(axes)], { keepdims: int(keepAxes ? 1 : 0) });
  }

  #integers(list: readonly number[]): Expression {
    return this.#graph.constant(int64(list));
  }
}

export function concat(parts: readonly Expression[], axis: number): Expression {
  return at(at(parts, 0).graph.emit('Concat', parts, { axis: int(axis) }), 0);
}
