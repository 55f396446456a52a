/** @file What an engine is: something that runs graphs in a thread of its own, on some provider. */

import type { ElementType, Tensor } from '../tensor.js';

/** Tensors by name of graph input or output. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** Where a graph runs, in order of preference. */
export type Provider = 'cpu' | 'webgpu' | 'cuda';

export const PROVIDERS: readonly Provider[] = ['cpu', 'webgpu', 'cuda'];

export interface EngineOptions {
  readonly providers: readonly Provider[];
  /** Threads that one operator may use. */
  readonly threads: number;
}

/** Name, element type and sizes (a text for an open axis) of a graph input or output. */
export interface Port {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
}

export interface CompileOptions {
  /** How hard the runtime optimises: `none` keeps every node, `basic` folds constants, `all` fuses and lays out. Default `all`. */
  readonly optimization?: 'none' | 'basic' | 'all';
  /** A label for messages. */
  readonly label: string;
  /** For a graph that is only looked at: on the CPU, whatever the engine's providers. */
  readonly onCpu?: boolean;
  /** Weights that lie outside the model, by the location that it names. Shared memory is not copied on the way. */
  readonly externalData?: ReadonlyMap<string, Uint8Array>;
  /**
   * Folder of files that the model names and `externalData` does not hold. They are mapped, and used in place where the
   * engine can: what runs the same weights shares one copy in memory.
   */
  readonly weightsFolder?: string;
}

export interface RunOptions {
  /** Aborting rejects the run at once; a graph that is already running finishes in its thread first. */
  readonly signal?: AbortSignal | undefined;
  /** Move the feeds' buffers to the engine instead of copying: the caller can no longer use them. */
  readonly transfer?: boolean;
}

/** A graph made ready to run. */
export interface Executable {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** The provider in use. */
  readonly provider: Provider;
  /** What was said about providers that could not be used, in order. */
  readonly fallbacks: readonly string[];
  /** Keeps feeds (weights of a policy, embeddings) in the engine for all later runs, until they are replaced. */
  hold(feeds: Tensors): Promise<void>;
  /** Runs the graph on the held feeds and these. */
  run(feeds: Tensors, options?: RunOptions): Promise<Tensors>;
  /** Frees the graph. */
  release(): Promise<void>;
}

export interface Engine {
  /**
   * Makes a graph ready, from ONNX bytes.
   * @throws TRIB_ENGINE when the graph cannot be run; TRIB_PROVIDER when no wanted provider is there.
   */
  compile(model: Uint8Array, options: CompileOptions): Promise<Executable>;
  /** The model with constants folded and no-ops gone, as ONNX bytes. */
  simplify(model: Uint8Array, label: string): Promise<Uint8Array>;
  /** Lets running graphs finish, frees everything and ends the thread. */
  close(): Promise<void>;
}
