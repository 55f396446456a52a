/** @file A pipeline's denoiser with its policy, ready to sample. */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { chunkSize } from '../engines/chunks.js';
import { compileGraph } from '../engines/compile-graph.js';
import type { Engine, Executable, Port, Provider } from '../engines/contract/engine.js';
import type { Graph, Precision } from '../graph/graph.js';
import { halfConstants } from '../graph/half/half-constants.js';
import { toHalfPrecision } from '../graph/half/half-precision.js';
import { gatherAttention, writeAttention } from '../graph/passes/attention.js';
import { lowerForTraining } from '../graph/passes/lower.js';
import { scaleBeforeProduct } from '../graph/passes/scale-before-product.js';
import { changedGraph } from '../graph/weights/changed-graph.js';
import type { LoraSettings } from '../graph/weights/lora.js';
import { policyFeeds } from '../graph/weights/policy-feeds.js';
import { openPolicyNetwork, type PolicyInputs } from '../graph/weights/policy-network.js';
import { openDenoiserGraph, timestepTensor } from '../networks/open-denoiser-graph.js';
import type { NamedArrays } from '../optimizers/adamw.js';
import { elementCount, float32, float32Data } from '../tensor.js';
import { type InferenceForm, inferenceForms } from './inference-form.js';
import type { Pipeline } from './pipeline.js';

export interface Denoiser extends PolicyInputs {
  readonly provider: Provider;
  /** As `Executable.sessionThreads`. */
  readonly sessionThreads: number;
  readonly fallbacks: readonly string[];
  /** The policy of all later predictions, by the graph's input names. */
  usePolicy(parameters: NamedArrays): Promise<void>;
  /** Rows of one run of the network for a batch of so many; a batch may be predicted in parts of as many. */
  rowsPerRun(batchRows: number): number;
  /**
   * Runs the network on rows: latents [R, C, H, W], one timestep for all, R prompt embeddings of `embedPrompt`.
   * @returns its output [R, C, H, W].
   */
  predict(
    latents: Float32Array,
    timestep: number,
    promptEmbeds: Float32Array,
    options?: PredictOptions,
  ): Promise<Float32Array>;
  release(): Promise<void>;
}

interface PredictOptions {
  /** Default 1. Only a network that takes the scale as an input makes use of it. */
  readonly guidanceScale?: number;
  /** Rows of the batch that these are a part of; default as many as they are. */
  readonly batchRows?: number;
  readonly signal?: AbortSignal | undefined;
}

interface DenoiserOptions {
  /** Null where a policy is all of the weights. */
  readonly lora: LoraSettings | null;
  /** Numbers of rows whose graphs are compiled now; graphs for others are compiled when they are first used. */
  readonly rows: readonly number[];
  readonly precision?: Precision;
  /** Most rows of one run; default what suits the engine (see `chunkSize`). */
  readonly chunkSize?: number | undefined;
}

/**
 * Opens the denoiser of a pipeline for sampling, with one compiled graph for each number of rows in a run. A batch of more
 * rows than that becomes several runs, side by side where the engine can; a last run that is not full repeats its first row.
 *
 * In float32 operators are fused where the device computes them correctly, and the adapter is folded into the weights. In
 * half precision operators are the trainer's, one by one, because fused ones have not been tried in half on any device. And
 * the adapter stays beside the weights: rounding their sum to 11 bits would lose most of what fine-tuning changes.
 */
export async function openDenoiser(
  engine: Engine,
  pipeline: Pipeline,
  { lora, rows, precision = 'float32', chunkSize: mostRows }: DenoiserOptions,
): Promise<Denoiser> {
  const executables = new Map<number, Executable>();
  const { denoiser } = pipeline.folder;
  let inputs: PolicyInputs = { component: denoiser.family.component, adapters: [], weights: [] };
  let policy: NamedArrays | undefined;
  const faults = new Set<string>();
  const form = samplingForm(engine, denoiser.modelPath, precision);
  const rowSize = elementCount(pipeline.latentShape);
  const positions = elementCount(pipeline.latentShape.slice(1));

  function rowsPerRun(count: number): number {
    if (mostRows !== undefined) return Math.min(mostRows, count);
    return engine.splitsBatches ? chunkSize(count, positions) : count;
  }

  async function open(count: number): Promise<Executable> {
    const stored = await openDenoiserGraph(engine, pipeline, count, precision);
    const model = changedGraph(stored, pipeline.denoiserChanges, denoiser.modelPath);
    const network = openPolicyNetwork(model, denoiser, lora, precision === 'float16' ? 'beside' : 'folded');
    inputs = network;
    const { graph, fault } = await form(network.graph);
    if (fault !== null) faults.add(fault);
    const label = `${denoiser.family.title} for ${count} rows`;
    const executable = await compileGraph(engine, graph, { label });
    // Listed before it holds the policy, so that a newer one that arrives in between reaches it too, and after this one.
    executables.set(count, executable);
    if (policy) await executable.hold(policyFeeds(inputs, policy, lora));
    return executable;
  }
  // Several parts of a batch may ask for a graph that is not compiled yet.
  const opening = new Map<number, Promise<Executable>>();
  function openOnce(count: number): Promise<Executable> {
    const known = opening.get(count);
    if (known) return known;
    const opened = open(count);
    opening.set(count, opened);
    opened.catch(() => opening.delete(count));
    return opened;
  }
  for (const count of new Set(rows.map(rowsPerRun))) await openOnce(count);
  const [first] = executables.values();
  if (!first)
    throw new TributaryError(
      'TRIB_INTERNAL',
      'denoiser: expected at least one number of rows, got none. Name the batch sizes.',
    );
  const timestepPort = inputOf(first, 'timestep', denoiser.modelPath);

  async function run(
    { latents, timestep, promptEmbeds, guidanceScale }: Rows,
    executable: Executable,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    const count = latents.length / rowSize;
    const embedsSize = promptEmbeds.length / count;
    const embeds = Array.from({ length: count }, (_, row) =>
      promptEmbeds.subarray(row * embedsSize, (row + 1) * embedsSize),
    );
    const timesteps = Array.from({ length: count }, () => timestep);
    const outputs = await executable.run(
      {
        sample: float32(latents, [count, ...pipeline.latentShape]),
        timestep: timestepTensor(timesteps, timestepPort.type, timestepPort.shape),
        ...pipeline.conditioning(embeds, guidanceScale),
      },
      { signal },
    );
    return float32Data(outputs.out_sample, 'out_sample');
  }

  return {
    ...inputs,
    provider: first.provider,
    sessionThreads: first.sessionThreads,
    fallbacks: [...first.fallbacks, ...faults],
    async usePolicy(parameters) {
      policy = parameters;
      const feeds = policyFeeds(inputs, parameters, lora);
      for (const executable of executables.values()) await executable.hold(feeds);
    },
    rowsPerRun,
    async predict(latents, timestep, promptEmbeds, { guidanceScale = 1, batchRows, signal } = {}) {
      const count = latents.length / rowSize;
      const size = rowsPerRun(batchRows ?? count);
      const executable = await openOnce(size);
      if (size === count) return run({ latents, timestep, promptEmbeds, guidanceScale }, executable, signal);
      const embedsSize = promptEmbeds.length / count;
      const starts = Array.from({ length: Math.ceil(count / size) }, (_, index) => index * size);
      const outputs = await Promise.all(
        starts.map((start) => {
          const rows = {
            latents: rowsFrom(latents, rowSize, start, size),
            timestep,
            promptEmbeds: rowsFrom(promptEmbeds, embedsSize, start, size),
            guidanceScale,
          };
          return run(rows, executable, signal);
        }),
      );
      const whole = new Float32Array(latents.length);
      for (const [index, output] of outputs.entries()) {
        const start = at(starts, index) * rowSize;
        whole.set(output.subarray(0, whole.length - start), start);
      }
      return whole;
    },
    async release() {
      for (const executable of executables.values()) await executable.release();
    },
  };
}

/** Rows of one run. */
interface Rows {
  readonly latents: Float32Array;
  readonly timestep: number;
  readonly promptEmbeds: Float32Array;
  readonly guidanceScale: number;
}

/** `size` rows from `start` on; where there are fewer, the first of them again. */
function rowsFrom(rows: Float32Array, rowSize: number, start: number, size: number): Float32Array {
  const taken = rows.slice(start * rowSize, (start + size) * rowSize);
  if (taken.length === size * rowSize) return taken;
  const filled = new Float32Array(size * rowSize);
  filled.set(taken);
  for (let place = taken.length; place < filled.length; place += rowSize)
    filled.set(taken.subarray(0, rowSize), place);
  return filled;
}

function inputOf({ inputs }: Executable, name: string, modelPath: string): Port {
  const port = inputs.find((input) => input.name === name);
  if (port) return port;
  const got = inputs.map((input) => input.name).join(', ');
  const text = `${modelPath}: expected an input "${name}", got inputs ${got}. Export the model in the layout that optimum writes.`;
  throw new TributaryError('TRIB_MODEL', text);
}

/** Brings graphs to the form in which they sample. */
function samplingForm(
  engine: Engine,
  modelPath: string,
  precision: Precision,
): (graph: Graph) => Promise<InferenceForm> {
  if (precision !== 'float16') return inferenceForms(engine);
  const constants = halfConstants(modelPath);
  return async (graph) => {
    const lowered = gatherAttention(scaleBeforeProduct(lowerForTraining(graph)));
    return { graph: toHalfPrecision(writeAttention(lowered), { constants }), fault: null };
  };
}
