import { TributaryError } from '../../errors.js';
import { gradientOutputs } from '../../models/autodiff/gradient-outputs.js';
import { compileGraph } from '../../models/engines/compile-graph.js';
import type { Engine, Executable, Tensors } from '../../models/engines/contract/engine.js';
import type { Graph, Value } from '../../models/graph/graph.js';
import { encodeGraph } from '../../models/graph/onnx/encode.js';
import { GraphBuilder } from '../../models/graph/ops/builder.js';
import type { Expression } from '../../models/graph/ops/expression.js';
import { lowerForTraining } from '../../models/graph/passes/lower.js';
import { addLora } from '../../models/graph/weights/lora.js';
import { initialParameters } from '../../models/policy/adapter-parameters.js';
import { float32 } from '../../models/tensor.js';

/** Where a loss is written: values of the graph to compute with, and what may be added to them. */
export type LossGraph = Pick<GraphBuilder, 'value' | 'input' | 'scalar' | 'constant'>;

export interface GradientsWanted {
  /** The name of an output, or an expression over the graph's values; a float32 scalar. */
  readonly loss: string | ((graph: LossGraph) => Expression);
  /** Names of inputs, weights or intermediates. Default: what `addLora` and `freeWeights` made inputs. */
  readonly of?: readonly string[];
}

export interface LoraWanted {
  /** Matches the names of the MatMul, Gemm and Conv nodes to adapt. */
  readonly pattern: string;
  readonly rank: number;
  /** The product A B is scaled by alpha / rank. Default: the rank. */
  readonly alpha?: number;
  /** Of the random numbers that A starts with. Default 0. */
  readonly seed?: number;
}

/** A compiled graph. */
export type Program = Pick<Executable, 'inputs' | 'outputs' | 'provider' | 'run' | 'release'>;

/** An ONNX graph with fixed sizes. Every method returns a new one and leaves this one as it is. */
export class Model {
  readonly #engine: Engine;
  readonly #graph: Graph;
  readonly #label: string;

  /**
   * @param parameters starting values of the inputs that `addLora` and `freeWeights` made, by name: feed them, or what an
   * optimizer makes of them.
   */
  constructor(
    engine: Engine,
    graph: Graph,
    label: string,
    readonly parameters: Tensors = {},
  ) {
    this.#engine = engine;
    this.#graph = graph;
    this.#label = label;
  }

  get inputs(): readonly Value[] {
    return this.#graph.inputs;
  }

  get outputs(): readonly Value[] {
    return this.#graph.outputs;
  }

  /** The constants, except those in files beside the model. */
  get weights(): readonly Value[] {
    return Array.from(this.#graph.initializers, ([name, { type, shape }]) => ({ name, type, shape }));
  }

  /**
   * Adds a low-rank adapter to every matching layer, y = x W + (alpha / rank) x A B (Hu et al. 2021), with inputs
   * `<layer>.lora_A` and `<layer>.lora_B`. A starts as a normal with standard deviation 1 / rank, B as zeros: the model
   * itself.
   *
   * Shapes: A [in, rank] and B [rank, out]; of a convolution [rank, in, height, width] and [out, rank, 1, 1].
   * Errors: TRIB_LORA if the pattern is no regular expression or matches no layer with a constant weight.
   */
  addLora({ pattern, rank, alpha = rank, seed = 0 }: LoraWanted): Model {
    const settings = { pattern, rank, alpha };
    const { graph, adapters } = addLora(this.#graph, { ...settings, form: 'beside' }, this.#label);
    const values = initialParameters(adapters, settings, seed);
    const shapes = new Map(graph.inputs.map(({ name, shape }) => [name, shape]));
    const fresh = Object.entries(values).map(([name, data]) => [name, float32(data, shapes.get(name) ?? [])]);
    return this.#with(graph, { ...this.parameters, ...Object.fromEntries(fresh) });
  }

  /**
   * Makes float32 weights inputs of the same name, shape and value.
   *
   * Errors: TRIB_GRAPH if the pattern matches no weight.
   */
  freeWeights(pattern: RegExp): Model {
    const { initializers, inputs } = this.#graph;
    const isFreed = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
    const freed = [...initializers].filter(([name, { type }]) => type === 'float32' && isFreed.test(name));
    if (freed.length === 0) {
      const some = [...initializers.keys()].slice(0, 4).join(', ') || 'none';
      throw new TributaryError(
        'TRIB_GRAPH',
        `${this.#label} freeWeights: expected ${pattern} to match the name of a float32 weight, got none of ${initializers.size}. Names look like ${some}.`,
      );
    }
    const kept = new Map(initializers);
    for (const [name] of freed) kept.delete(name);
    const values = freed.map(([name, { shape }]): Value => ({ name, type: 'float32', shape }));
    const graph = { ...this.#graph, initializers: kept, inputs: [...inputs, ...values] };
    return this.#with(graph, { ...this.parameters, ...Object.fromEntries(freed) });
  }

  /**
   * Appends the backward pass: an output `loss`, and an output `gradient:<name>` for each name of `of`, of its shape. All
   * other outputs stay. A name that the loss does not depend on gets zeros.
   *
   * Errors: TRIB_GRAPH if the loss is not a float32 scalar, a name is unknown, or nothing is wanted; TRIB_NO_GRADIENT,
   * naming the node, if an operator on the way has no derivative.
   */
  addGradients({ loss, of = Object.keys(this.parameters) }: GradientsWanted): Model {
    if (of.length === 0) {
      throw new TributaryError(
        'TRIB_GRAPH',
        `${this.#label} addGradients: expected names of values to differentiate by, got none. List them in \`of\`, or add an adapter first.`,
      );
    }
    const g = GraphBuilder.from(lowerForTraining(this.#graph));
    const value = g.scoped('loss', () => (typeof loss === 'string' ? g.value(loss) : loss(g)));
    // An output of this name is the loss itself.
    const others = this.outputs.filter(({ name }) => name !== 'loss');
    if (others.length < this.outputs.length) {
      g.clearOutputs();
      for (const output of others) g.output(output);
    }
    gradientOutputs({ differentiates: false }, g, value, { parameters: of.map((name) => g.value(name)) });
    return this.#with(g.build(), this.parameters);
  }

  /** The graph as an ONNX model, operator set 20, for any runtime. Errors: TRIB_GRAPH if weights are in files beside it. */
  toOnnx(): Uint8Array {
    const { size } = this.#graph.stored;
    if (size === 0) return encodeGraph(this.#graph);
    throw new TributaryError(
      'TRIB_GRAPH',
      `${this.#label} toOnnx: expected all weights in the model, got ${size} in files beside it. Save the model as one file first, or compile it here.`,
    );
  }

  /** Compiles the graph, to be run any number of times. Errors: TRIB_ENGINE if the runtime refuses it. */
  compile(): Promise<Program> {
    return compileGraph(this.#engine, this.#graph, { label: this.#label });
  }

  #with(graph: Graph, parameters: Tensors): Model {
    return new Model(this.#engine, graph, this.#label, parameters);
  }
}
