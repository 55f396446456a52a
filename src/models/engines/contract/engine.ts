/** @file What an engine is: something that runs graphs in a thread of its own, on some provider. */

import type { ElementType, Tensor } from '../../tensor.js';

/** Tensors by name of graph input or output. */
export type Tensors = Readonly<Record<string, Tensor>>;

export const ENGINES = ['onnxruntime', 'tfjs'] as const;

export type EngineName = (typeof ENGINES)[number];

/** Where onnxruntime runs a graph. */
export type OnnxRuntimeProvider = 'cpu' | 'webgpu' | 'cuda';

export const PROVIDERS = ['cpu', 'webgpu', 'cuda'] as const satisfies readonly OnnxRuntimeProvider[];

/** Where TensorFlow.js runs a graph. */
export type TfjsBackend = 'node-gpu' | 'node' | 'wasm' | 'cpu';

export const TFJS_BACKENDS = ['node-gpu', 'node', 'wasm', 'cpu'] as const satisfies readonly TfjsBackend[];

/** What runs a graph, whichever the engine. */
export type Provider = OnnxRuntimeProvider | `tfjs-${TfjsBackend}`;

/** Settings of the onnxruntime engine. */
export interface EngineOptions {
  /** In order of preference. */
  readonly providers: readonly OnnxRuntimeProvider[];
  /** Threads that one operator may use. */
  readonly threads: number;
}

/** Who derives gradients on TensorFlow.js: its own tape, from what it runs, or this program, as a larger graph. */
export type GradientSource = 'tape' | 'graph';

export const GRADIENT_SOURCES = ['tape', 'graph'] as const satisfies readonly GradientSource[];

/** Settings of the TensorFlow.js engine. */
export interface TfjsOptions {
  /** In order of preference. */
  readonly backends: readonly TfjsBackend[];
  /** Threads that one operator may use, where the backend can be told. */
  readonly threads: number;
  readonly gradients: GradientSource;
}

/** Name, element type and sizes (a text for an open axis) of a graph input or output. */
export interface Port {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
}

/** What is to be differentiated by what. */
export interface GradientRequest {
  /** The output that is differentiated, a float32 scalar. */
  readonly loss: string;
  /** The inputs whose derivatives become outputs `gradient:<name>`. */
  readonly parameters: readonly string[];
  /** Values through which no gradient flows. */
  readonly barriers: readonly string[];
}

export interface CompileOptions {
  /** How hard the runtime optimises: `none` keeps every node, `basic` folds constants, `all` fuses and lays out. Default `all`. */
  readonly optimization?: 'none' | 'basic' | 'all';
  /** A label for messages. */
  readonly label: string;
  /** Weights that lie outside the model, by the location that it names. Shared memory is not copied on the way. */
  readonly externalData?: ReadonlyMap<string, Uint8Array>;
  /**
   * Folder of files that the model names and `externalData` does not hold. They are mapped, and used in place where the
   * engine can: what runs the same weights shares one copy in memory.
   */
  readonly weightsFolder?: string;
  /** Gradients that the engine adds to the outputs. Only for one that `differentiates`. */
  readonly gradients?: GradientRequest | undefined;
}

export interface RunOptions {
  /** Aborting rejects the run at once; a graph that is already running finishes in its thread first. */
  readonly signal?: AbortSignal | undefined;
  /** Move the feeds' buffers to the engine instead of copying: the caller can no longer use them. */
  readonly transfer?: boolean;
}

/** What an engine says of a graph that it has made ready. */
export interface GraphDescription {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** The provider in use. */
  readonly provider: Provider;
  /** What was said about providers that could not be used, in order. */
  readonly fallbacks: readonly string[];
}

/** A graph made ready to run. */
export interface Executable extends GraphDescription {
  /** Keeps feeds (weights of a policy, embeddings) in the engine for all later runs, until they are replaced. */
  hold(feeds: Tensors): Promise<void>;
  /** Runs the graph on the held feeds and these. */
  run(feeds: Tensors, options?: RunOptions): Promise<Tensors>;
  /** Frees the graph. */
  release(): Promise<void>;
}

export interface Engine {
  /** Whether `compile` takes `gradients`. For another engine the caller adds a backward pass to the graph. */
  readonly differentiates: boolean;
  /**
   * Makes a graph ready, from ONNX bytes.
   * @throws TRIB_ENGINE when the graph cannot be run; TRIB_PROVIDER when no wanted provider is there.
   */
  compile(model: Uint8Array, options: CompileOptions): Promise<Executable>;
  /** The model with constants folded and no-ops gone, as ONNX bytes. */
  simplify(model: Uint8Array, label: string): Promise<Uint8Array>;
  /** Element types and sizes of a model's outputs, inferred where it does not declare them. */
  outputPorts(model: Uint8Array, label: string): Promise<readonly Port[]>;
  /** Lets running graphs finish, frees everything and ends the thread. */
  close(): Promise<void>;
}
