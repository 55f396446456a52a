/** @file What an engine is: something that runs graphs on some provider, in a thread of its own. */

import type { HalfType } from '../../graph/graph.js';
import type { ElementType, Tensor } from '../../tensor.js';

/** Tensors by name of graph input or output. */
export type Tensors = Readonly<Record<string, Tensor>>;

export const ENGINES = ['onnxruntime', 'tfjs'] as const;

export type EngineName = (typeof ENGINES)[number];

/** Where onnxruntime can run a graph. */
export const PROVIDERS = ['cpu', 'webgpu', 'cuda'] as const;
export type OnnxRuntimeProvider = (typeof PROVIDERS)[number];

/** Where TensorFlow.js can run a graph. */
export const TFJS_BACKENDS = ['node-gpu', 'node', 'wasm', 'cpu'] as const;
export type TfjsBackend = (typeof TFJS_BACKENDS)[number];

/** What runs a graph, on any engine. */
export type Provider = OnnxRuntimeProvider | `tfjs-${TfjsBackend}`;

/** Settings of the onnxruntime engine. */
export interface EngineOptions {
  /** In order of preference. */
  readonly providers: readonly OnnxRuntimeProvider[];
  /** Threads that compute. On the CPU every one runs graphs for itself, side by side with the others. */
  readonly threads: number;
  /**
   * On the CPU, threads that share one session and so one run; default 1. Where weights are mapped from files, and on other
   * providers, default all: then there is one run at a time, and one set of activations in memory.
   */
  readonly sessionThreads?: number | undefined;
}

/** Who derives gradients on TensorFlow.js: its own tape, from what it ran, or this program, as a larger graph. */
export const GRADIENT_SOURCES = ['tape', 'graph'] as const;

/** Settings of the TensorFlow.js engine. */
export interface TfjsOptions {
  /** In order of preference. */
  readonly backends: readonly TfjsBackend[];
  /** Threads that one operator may use, on backends that can limit them. */
  readonly threads: number;
  readonly gradients: (typeof GRADIENT_SOURCES)[number];
}

/** Name, element type and sizes of a graph input or output; the size of an open axis is its name. */
export interface Port {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
}

/** What to differentiate, with respect to what. */
export interface GradientRequest {
  /** The output to differentiate, a float32 scalar. */
  readonly loss: string;
  /** The inputs whose derivatives become outputs `gradient:<name>`. */
  readonly parameters: readonly string[];
  /** Values through which no gradient flows. */
  readonly barriers: readonly string[];
}

export interface CompileOptions {
  /** `none` keeps every node, `basic` folds constants, `all` also fuses nodes and chooses layouts. Default `all`. */
  readonly optimization?: 'none' | 'basic' | 'all';
  /** Name of the graph in error texts. */
  readonly label: string;
  /** Weights outside the model, by the location that it names. Shared memory is not copied. */
  readonly externalData?: ReadonlyMap<string, Uint8Array>;
  /**
   * Folder of the files that the model names and `externalData` does not hold. They are mapped, and used in place if the
   * engine can do so: everything that runs the same weights shares one copy in memory.
   */
  readonly weightsFolder?: string;
  /** Whether each node that reads mapped weights in half precision raises them for itself: no copy of them may be kept. */
  readonly raisesWeights?: boolean;
  /** Gradients that the engine adds to the outputs; only for an engine that `differentiates`. */
  readonly gradients?: GradientRequest | undefined;
  /** Whether its runs are so large that one at a time gets all threads: side by side they would take too much memory. */
  readonly isLarge?: boolean;
}

export interface RunOptions {
  /** Aborting rejects the run at once; a graph that is already running still finishes in its thread. */
  readonly signal?: AbortSignal | undefined;
  /** Moves the feeds' buffers to the engine instead of copying them: the caller can no longer use them. */
  readonly transfer?: boolean;
}

/** What an engine reports about a compiled graph. */
export interface GraphDescription {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** The provider in use. */
  readonly provider: Provider;
  /** Why earlier providers could not be used, in order. */
  readonly fallbacks: readonly string[];
}

/** A compiled graph. */
export interface Executable extends GraphDescription {
  /** Runs that are computed side by side. Rows of many runs do best as a multiple of it. */
  readonly shards: number;
  /** Threads that compute one run together: with several, their number may change the last bits of results. */
  readonly sessionThreads: number;
  /**
   * Keeps feeds (weights of a policy, embeddings) in the engine for later runs, until they are replaced. Runs that were asked
   * for before see earlier feeds.
   */
  hold(feeds: Tensors): Promise<void>;
  /** Runs the graph on these and the held feeds. */
  run(feeds: Tensors, options?: RunOptions): Promise<Tensors>;
  /** Frees the graph. */
  release(): Promise<void>;
}

export interface Engine {
  /** Whether `compile` takes `gradients`. If not, the caller adds a backward pass to the graph. */
  readonly differentiates: boolean;
  /** Whether small runs are better than large ones, because it runs them in parallel when it has more than one thread. */
  readonly splitsBatches: boolean;
  /** Half precisions in which constants of a graph in float32 may stay in their files: it raises them as it runs. */
  readonly raises: readonly HalfType[];
  /** Compiles ONNX bytes. Errors: TRIB_ENGINE if the graph cannot run; TRIB_PROVIDER if no provider is available. */
  compile(model: Uint8Array, options: CompileOptions): Promise<Executable>;
  /** Folds constants and removes no-ops; returns ONNX bytes. */
  simplify(model: Uint8Array, label: string): Promise<Uint8Array>;
  /** Returns element types and sizes of a model's outputs, inferring those that it does not declare. */
  outputPorts(model: Uint8Array, label: string): Promise<readonly Port[]>;
  /** Lets running graphs finish, frees everything and ends the thread. */
  close(): Promise<void>;
}
