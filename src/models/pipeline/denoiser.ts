/** @file The UNet with its adapter, ready to sample: one compiled graph for every number of rows that is asked for. */

import { TributaryError } from '../../errors.js';
import { someOf } from '../adapters/lora-layer.js';
import { compileGraph } from '../engines/compile-graph.js';
import type { Engine, Executable, Provider } from '../engines/contract/engine.js';
import { prepareGraph } from '../engines/prepare-graph.js';
import { formatShape, type Graph, type Precision } from '../graph/graph.js';
import { halfConstants } from '../graph/half/half-constants.js';
import { inHalfPrecision } from '../graph/half/half-precision.js';
import { decodeModel, inputAxes } from '../graph/onnx/decode.js';
import { readModelFile } from '../graph/onnx/model-file.js';
import { gatherAttention, writeAttention } from '../graph/passes/attention.js';
import { withFloatInput } from '../graph/passes/float-input.js';
import { lowerForTraining } from '../graph/passes/lower.js';
import { scaleBeforeProduct } from '../graph/passes/scale-before-product.js';
import type { Adapter } from '../graph/weights/lora.js';
import { adapterShapes } from '../graph/weights/lora.js';
import { openPolicyNetwork, type PolicyInputs } from '../graph/weights/policy-network.js';
import { openComponentWeights } from '../networks/component-weights.js';
import { type Network, networkGraph, readNetworkWeights } from '../networks/network-weights.js';
import { unet2dCondition } from '../networks/unet-2d-condition.js';
import type { Unet2dConditionConfig } from '../networks/unet-config.js';
import type { NamedArrays } from '../optimizers/adamw.js';
import type { ElementType, Tensor } from '../tensor.js';
import { elementCount, float32, float32Data, int32, int64 } from '../tensor.js';
import { inferenceForms } from './inference-form.js';
import type { Pipeline } from './pipeline.js';

/** Where and how large the adapter is. */
export interface LoraSettings {
  readonly pattern: string;
  readonly rank: number;
  readonly alpha: number;
  /** The layers of an adapter that there is already; they count in the place of the pattern. */
  readonly layers?: readonly string[];
}

export interface Denoiser extends PolicyInputs {
  readonly provider: Provider;
  readonly fallbacks: readonly string[];
  /** The policy of all later predictions, by the graph's input names. */
  usePolicy(parameters: NamedArrays): Promise<void>;
  /**
   * Runs the network on rows: latents [R, C, H, W], one timestep for all, R prompt embeddings of `embedPrompt`.
   * @returns its output [R, C, H, W].
   */
  predict(
    latents: Float32Array,
    timestep: number,
    promptEmbeds: Float32Array,
    signal?: AbortSignal,
  ): Promise<Float32Array>;
  release(): Promise<void>;
}

/** Input shapes of the UNet for a number of rows. The timestep is a vector where the model takes one, else a scalar. */
export function unetInputShapes(
  pipeline: Pipeline,
  rows: number,
  timestepRank: number,
): Record<string, readonly number[]> {
  const { added } = pipeline.folder.unet.config;
  return {
    sample: [rows, ...pipeline.latentShape],
    ...(timestepRank === 1 ? { timestep: [rows] } : {}),
    encoder_hidden_states: [rows, ...pipeline.embedsShape],
    ...(added ? { text_embeds: [rows, added.textEmbedsWidth], time_ids: [rows, added.numTimeIds] } : {}),
  };
}

/**
 * The UNet of a pipeline as a Graph for `rows` rows: prepared from its ONNX file, or built from config and weights.
 * @param precision what the graph will be brought to; with `float16` it cannot run before.
 */
export async function prepareUnet(
  engine: Engine,
  pipeline: Pipeline,
  rows: number,
  precision: Precision = 'float32',
): Promise<Graph> {
  const { modelPath: label, architecture } = pipeline.folder.unet;
  if (architecture) return buildUnet(pipeline, architecture, rows, precision);
  const { bytes, ...weights } = await readModelFile(label, precision);
  const model = decodeModel(bytes, label);
  const axes = inputAxes(model);
  const timestepRank = axes.get('timestep')?.length ?? 0;
  const inputShapes = unetInputShapes(pipeline, rows, timestepRank);
  // Older exporters list weights among the inputs.
  const constants = new Set(model.graph.initializer.map(({ name }) => name));
  const inputs = [...axes.keys()].filter((name) => !constants.has(name));
  requireKnownInputs(inputs, [...new Set(['timestep', ...Object.keys(inputShapes)])], label);
  const graph = await prepareGraph(engine, bytes, { label, inputShapes, ...weights });
  return withFloatInput(graph, 'timestep');
}

/** @throws TRIB_MODEL where the network is told what nobody here knows, as distilled models and those with a ControlNet are. */
function requireKnownInputs(inputs: readonly string[], known: readonly string[], label: string): void {
  const unknown = inputs.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new TributaryError(
    'TRIB_MODEL',
    `${label} inputs: expected ${known.join(', ')} alone, got ${unknown.join(', ')} too. Use a model of the kind SD 1.x, SD 2.x or SDXL.`,
  );
}

async function buildUnet(
  { folder, embedsShape: [tokens] }: Pipeline,
  architecture: Unet2dConditionConfig,
  rows: number,
  precision: Precision,
): Promise<Graph> {
  const weights = await openComponentWeights(folder.unet.modelPath);
  try {
    const { sampleSize } = architecture;
    const network: Network = (layer) => unet2dCondition(layer, architecture, { rows, sampleSize, tokens });
    return networkGraph(network, await readNetworkWeights(network, weights, null, precision));
  } finally {
    await weights.close();
  }
}

/** Timesteps as the graph's input takes them: its integer or float type, one a row or one for all. */
export function timestepTensor(
  timesteps: readonly number[],
  type: ElementType,
  shape: readonly (number | string)[],
): Tensor {
  const values = shape.length === 0 ? timesteps.slice(0, 1) : timesteps;
  const dims = shape.length === 0 ? [] : [values.length];
  const fraction = type === 'float32' ? undefined : values.find((value) => !Number.isInteger(value));
  if (fraction !== undefined) {
    throw new TributaryError(
      'TRIB_MODEL',
      `UNet input "timestep": expected float32, because a flow has timesteps like ${fraction}, got ${type}. Export the model with a float timestep.`,
    );
  }
  if (type === 'int64') return int64(values, dims);
  if (type === 'int32') return int32(Int32Array.from(values), dims);
  if (type === 'float32') return float32(values, dims);
  throw new TributaryError(
    'TRIB_MODEL',
    `UNet input "timestep": expected int64, int32 or float32, got ${type}. Export the model in float32.`,
  );
}

/**
 * Opens the UNet of a pipeline for sampling: fused operators where they are right, the adapter folded into its weights. A
 * graph is compiled for each number of rows, those of `rows` at once and others when they are first asked for.
 *
 * In half precision operators are the trainer's, one by one: fused ones have been tried in half on no device. And the adapter
 * stays beside the weights: of a sum with them, rounded to 11 bits, little of a change by fine-tuning would be left.
 * @param lora null where a policy is all of the weights.
 */
export async function openDenoiser(
  engine: Engine,
  pipeline: Pipeline,
  lora: LoraSettings | null,
  rows: readonly number[],
  precision: Precision = 'float32',
): Promise<Denoiser> {
  const executables = new Map<number, Executable>();
  let inputs: PolicyInputs = { adapters: [], weights: [] };
  let policy: NamedArrays | undefined;
  const faults = new Set<string>();
  const isHalf = precision === 'float16';
  const { modelPath } = pipeline.folder.unet;
  const inferenceForm = inferenceForms(engine);
  const constants = halfConstants(modelPath);
  const formOf = async (graph: Graph): Promise<Graph> => {
    if (isHalf) {
      const lowered = gatherAttention(scaleBeforeProduct(lowerForTraining(graph)));
      return inHalfPrecision(writeAttention(lowered), { constants });
    }
    const { graph: fused, fault } = await inferenceForm(graph);
    if (fault !== null) faults.add(fault);
    return fused;
  };
  const open = async (count: number): Promise<Executable> => {
    const model = await prepareUnet(engine, pipeline, count, precision);
    const network = openPolicyNetwork(model, lora, isHalf ? 'beside' : 'folded', modelPath);
    inputs = network;
    const graph = await formOf(network.graph);
    const executable = await compileGraph(engine, graph, { label: `UNet for ${count} rows` });
    // Listed before it holds the policy, so that one which comes meanwhile reaches it too, and after this one.
    executables.set(count, executable);
    if (policy) await executable.hold(policyFeeds(inputs, policy, lora));
    return executable;
  };
  for (const count of new Set(rows)) await open(count);
  const any = [...executables.values()][0];
  if (!any)
    throw new TributaryError(
      'TRIB_INTERNAL',
      'denoiser: expected at least one number of rows, got none. Name the batch sizes.',
    );
  const timestepPort = any.inputs.find(({ name }) => name === 'timestep');
  const rowSize = elementCount(pipeline.latentShape);

  return {
    adapters: inputs.adapters,
    weights: inputs.weights,
    provider: any.provider,
    fallbacks: [...any.fallbacks, ...faults],
    async usePolicy(parameters) {
      policy = parameters;
      const feeds = policyFeeds(inputs, parameters, lora);
      for (const executable of executables.values()) await executable.hold(feeds);
    },
    async predict(latents, timestep, promptEmbeds, signal) {
      const count = latents.length / rowSize;
      const executable = executables.get(count) ?? (await open(count));
      const embedsSize = promptEmbeds.length / count;
      const embeds = Array.from({ length: count }, (_, row) =>
        promptEmbeds.subarray(row * embedsSize, (row + 1) * embedsSize),
      );
      const timesteps = Array.from({ length: count }, () => timestep);
      const outputs = await executable.run(
        {
          sample: float32(latents, [count, ...pipeline.latentShape]),
          timestep: timestepTensor(timesteps, timestepPort?.type ?? 'int64', timestepPort?.shape ?? []),
          ...pipeline.conditioning(embeds),
        },
        { signal },
      );
      return float32Data(outputs.out_sample, 'out_sample');
    },
    async release() {
      for (const executable of executables.values()) await executable.release();
    },
  };
}

/**
 * A policy's parameters as tensors, in the shapes that the graph takes.
 * @throws TRIB_LORA when they are not those of the network; what does not fit is named.
 */
export function policyFeeds(
  { adapters, weights }: PolicyInputs,
  parameters: NamedArrays,
  lora: Pick<LoraSettings, 'rank'> | null,
): Record<string, Tensor> {
  if (lora) return adapterFeeds(adapters, parameters, lora.rank);
  const feeds = fitted(
    weights.map(({ input, shape }) => [input, shape]),
    parameters,
    'weights: expected those of the model',
    'Use weights that were trained on this model.',
  );
  const surplus = Object.keys(parameters).filter((name) => !(name in feeds));
  if (surplus.length === 0) return feeds;
  throw new TributaryError(
    'TRIB_LORA',
    `weights: expected those of the model alone, got others beside: ${someOf(surplus)}. Use weights that were trained on this model.`,
  );
}

/**
 * The adapter's parameters as tensors, in the shapes that the graph takes.
 * @throws TRIB_LORA when they are not those of the adapted layers; the layers that do not fit are named.
 */
export function adapterFeeds(
  adapters: readonly Adapter[],
  parameters: NamedArrays,
  rank: number,
): Record<string, Tensor> {
  const shapes = adapters.flatMap((adapter) => {
    const { a, b } = adapterShapes(adapter, rank);
    return [[adapter.inputA, a] as const, [adapter.inputB, b] as const];
  });
  return fitted(
    shapes,
    parameters,
    "adapter: expected the parameters of the model's layers",
    'Use an adapter that was made for this model, rank and pattern.',
  );
}

function fitted(
  shapes: readonly (readonly [name: string, shape: readonly number[]])[],
  parameters: NamedArrays,
  expected: string,
  nextStep: string,
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  const faults: string[] = [];
  for (const [name, shape] of shapes) {
    const data = parameters[name];
    if (data?.length === elementCount(shape)) feeds[name] = float32(data, shape);
    else faults.push(`${name} ${formatShape(shape)} (got ${data?.length ?? 'none'})`);
  }
  if (faults.length === 0) return feeds;
  const more = faults.length > 4 ? ` and ${faults.length - 4} more` : '';
  throw new TributaryError(
    'TRIB_LORA',
    `${expected}, got others for ${faults.slice(0, 4).join(', ')}${more}. ${nextStep}`,
  );
}
