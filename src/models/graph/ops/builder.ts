/**
 * @file Builds graphs. A builder only appends, and checks the shapes of each node as it is added, so a mistake surfaces at the
 * line that made it. Whole-graph passes (fusion, LoRA) make a new graph from an old one.
 */

import { TributaryError } from '../../../errors.js';
import { type ElementType, float32, type Tensor } from '../../tensor.js';
import type { Attributes, Graph, Node, StoredTensor, Value } from '../graph.js';
import type { OpName } from '../op-names.js';
import { inferOutputs } from '../shapes/shape-rules.js';
import { type EmitOptions, Expression, type ExpressionGraph } from './expression.js';

export class GraphBuilder implements ExpressionGraph {
  readonly #inputs: Value[] = [];
  readonly #outputs: Value[] = [];
  readonly #nodes: Node[] = [];
  readonly #initializers = new Map<string, Tensor>();
  readonly #stored = new Map<string, StoredTensor>();
  readonly #values = new Map<string, Value>();
  readonly #scalars = new Map<string, Expression>();
  readonly #barriers = new Set<string>();
  #scope = '';
  #forward: Node | undefined;

  /** Starts from a graph, whose nodes stay as they are. */
  static from(graph: Graph): GraphBuilder {
    const builder = new GraphBuilder();
    for (const input of graph.inputs) builder.#declare(input, builder.#inputs);
    for (const [name, tensor] of graph.initializers) builder.initializer(name, tensor);
    for (const [name, tensor] of graph.stored) builder.stored(name, tensor);
    for (const node of graph.nodes) builder.append(node);
    builder.#outputs.push(...graph.outputs);
    return builder;
  }

  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  get inputs(): readonly Value[] {
    return this.#inputs;
  }

  get initializers(): ReadonlyMap<string, Tensor> {
    return this.#initializers;
  }

  /** Values through which no gradient flows (see `Expression.stopGradient`). */
  get barriers(): ReadonlySet<string> {
    return this.#barriers;
  }

  input(name: string, type: ElementType, shape: readonly number[]): Expression {
    return this.expression(this.#declare({ name, type, shape }, this.#inputs));
  }

  /** Adds a named constant: a weight. */
  initializer(name: string, tensor: Tensor): Expression {
    const value = this.#declare({ name, type: tensor.type, shape: tensor.shape });
    this.#initializers.set(name, tensor);
    return this.expression(value);
  }

  /** Adds a named constant whose numbers are in a file. */
  stored(name: string, tensor: StoredTensor): Expression {
    const value = this.#declare({ name, type: tensor.type, shape: tensor.shape });
    this.#stored.set(name, tensor);
    return this.expression(value);
  }

  /** Where the numbers of a constant are, if they are in a file. */
  placeOf(value: Value): StoredTensor | undefined {
    return this.#stored.get(value.name);
  }

  /** Whether a value is a constant, in memory or in a file. */
  isConstant(value: Value): boolean {
    return this.#initializers.has(value.name) || this.#stored.has(value.name);
  }

  constant(tensor: Tensor): Expression {
    return this.initializer(this.#freshName('constant'), tensor);
  }

  /** Returns a float32 scalar constant; equal scalars share one initializer. */
  scalar(number: number): Expression {
    const key = String(number);
    const known = this.#scalars.get(key);
    if (known) return known;
    const value = this.constant(float32([number], []));
    this.#scalars.set(key, value);
    return value;
  }

  /** Names nodes made inside `body` under a scope, e.g. `down_blocks.1/resnets.0`. */
  scoped<T>(scope: string, body: () => T): T {
    const outer = this.#scope;
    this.#scope = `${outer}/${scope}`;
    try {
      return body();
    } finally {
      this.#scope = outer;
    }
  }

  /** Marks nodes made inside `body` as part of the derivative of `forward`, or of its repetition. */
  derived<T>(forward: Node, body: () => T): T {
    const outer = this.#forward;
    this.#forward = forward;
    try {
      return body();
    } finally {
      this.#forward = outer;
    }
  }

  /** The scope that new nodes are named under, e.g. `/down_blocks.1/resnets.0`. */
  get scope(): string {
    return this.#scope;
  }

  /**
   * Adds a node of a known operator and returns its outputs.
   *
   * Errors: TRIB_GRAPH if shapes or types do not fit, with the node and the shapes.
   */
  emit(
    op: OpName,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes = {},
    options: EmitOptions = {},
  ): Expression[] {
    const name = this.#freshName(options.name ?? `${this.#scope}/${op}`);
    const constants = inputs.map((input) =>
      input === undefined ? undefined : this.#initializers.get(input.name),
    );
    const outputs = inferOutputs({ name, op, inputs, attributes, constants }).map((output, index) => ({
      name: index === 0 ? `${name}_output` : `${name}_output_${index}`,
      ...output,
    }));
    this.append({ name, op, domain: '', inputs, outputs, attributes });
    return outputs.map((output) => this.expression(output));
  }

  /** Adds a node whose output shapes the caller knows: of a loaded or rewritten graph, or a fused operator. */
  append(node: Node): void {
    for (const input of node.inputs) {
      if (input !== undefined && !this.#values.has(input.name)) {
        throw new TributaryError(
          'TRIB_GRAPH',
          `${node.op} "${node.name}": expected input "${input.name}" to be produced before it, got no such value. Add nodes in topological order.`,
        );
      }
    }
    for (const output of node.outputs) this.#declare(output);
    const forward = node.forward ?? this.#forward;
    const isPlain = !node.inputs.some((input) => input instanceof Expression);
    if (isPlain && forward === node.forward) this.#nodes.push(node);
    else {
      const inputs = node.inputs.map((input) => input && plainValue(input));
      this.#nodes.push({ ...node, inputs, ...(forward && { forward }) });
    }
  }

  /** Stops gradients at a value: see `Expression.stopGradient`. */
  addBarrier(value: Value): void {
    this.#barriers.add(value.name);
  }

  /** Declares a value as graph output, under its own or another name. */
  output(value: Value, name?: string): Expression {
    let declared = this.expression(value);
    if (name !== undefined && name !== value.name) {
      const renamed = { ...plainValue(value), name };
      const node = { op: 'Identity', domain: '', inputs: [value], outputs: [renamed], attributes: {} };
      this.append({ name: this.#freshName(`/outputs/${name}`), ...node });
      declared = this.expression(renamed);
    }
    this.#outputs.push(plainValue(declared));
    return declared;
  }

  /** Forgets the outputs declared so far: a training graph has other outputs than the model it grew from. */
  clearOutputs(): void {
    this.#outputs.length = 0;
  }

  value(name: string): Expression {
    const value = this.#values.get(name);
    if (value) return this.expression(value);
    throw new TributaryError(
      'TRIB_GRAPH',
      `graph value "${name}": expected one of the graph's ${this.#values.size} values, got an unknown name. The graph's inputs are ${this.#inputs.map((input) => input.name).join(', ')}.`,
    );
  }

  /** A value of this graph as an expression, to compute with. */
  expression(value: Value): Expression {
    return value instanceof Expression && value.graph === this ? value : new Expression(this, value);
  }

  /** The graph as built so far, without nodes and constants that no output needs. */
  build(): Graph {
    const needed = new Set(this.#outputs.map((output) => output.name));
    const nodes: Node[] = [];
    for (const node of this.#nodes.toReversed()) {
      if (!node.outputs.some((output) => needed.has(output.name))) continue;
      nodes.push(node);
      for (const input of node.inputs) if (input !== undefined) needed.add(input.name);
    }
    return {
      inputs: this.#inputs.filter((input) => needed.has(input.name)),
      outputs: [...this.#outputs],
      initializers: new Map([...this.#initializers].filter(([name]) => needed.has(name))),
      stored: new Map([...this.#stored].filter(([name]) => needed.has(name))),
      nodes: nodes.reverse(),
    };
  }

  #declare(value: Value, list?: Value[]): Value {
    if (this.#values.has(value.name)) {
      throw new TributaryError(
        'TRIB_GRAPH',
        `graph value "${value.name}": expected a new name, got one that is taken. Choose another name.`,
      );
    }
    this.#values.set(value.name, value);
    list?.push(value);
    return value;
  }

  #freshName(wanted: string): string {
    if (!this.#values.has(`${wanted}_output`) && !this.#values.has(wanted) && !this.#taken.has(wanted)) {
      this.#taken.add(wanted);
      return wanted;
    }
    const next = (this.#counters.get(wanted) ?? 0) + 1;
    this.#counters.set(wanted, next);
    return this.#freshName(`${wanted}_${next}`);
  }

  readonly #taken = new Set<string>();
  readonly #counters = new Map<string, number>();
}

/** The value without its builder, so that graphs can be cloned, compared and sent to threads. */
const plainValue = ({ name, type, shape }: Value): Value => ({ name, type, shape });
