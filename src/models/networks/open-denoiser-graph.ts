/** @file The graph of a pipeline's denoiser, with the inputs and the output that `DenoiserFamily` promises. */

import { TributaryError } from '../../errors.js';
import type { Engine } from '../engines/contract/engine.js';
import { prepareGraph } from '../engines/prepare-graph.js';
import type { Graph, HalfType, Precision } from '../graph/graph.js';
import { decodeModel, inputAxes } from '../graph/onnx/decode.js';
import { readModelFile } from '../graph/onnx/model-file.js';
import { withConstantChannels } from '../graph/passes/constant-channels.js';
import { withFloatInput } from '../graph/passes/float-input.js';
import { type ElementType, float32, int32, int64, type Tensor } from '../tensor.js';
import { type ComponentWeights, openComponentWeights } from './component-weights.js';
import type { DenoiserOnDisk } from './denoiser-family.js';
import { type Network, networkGraph, readNetworkWeights } from './network-weights.js';

/** What of an open pipeline the graph depends on. */
interface DenoiserSource {
  readonly folder: { readonly denoiser: DenoiserOnDisk };
  /** [C, H, W] of the latents. */
  readonly latentShape: readonly [number, number, number];
  /** What fills the channels that the network takes beside the latents. */
  readonly extraChannels: readonly number[];
  /** [tokens, width] of a prompt's embedding. */
  readonly embedsShape: readonly [number, number];
}

/**
 * Returns the graph for `rows` rows: prepared from its ONNX file, or built from config and weights.
 *
 * Errors: TRIB_MODEL if an ONNX graph has inputs that nothing here feeds, such as those of a ControlNet; as `readModelFile`, `prepareGraph`, `openComponentWeights` and `readNetworkWeights`.
 * @param precision what the graph will be converted to; with `float16` it cannot run before that.
 */
export async function openDenoiserGraph(
  engine: Engine,
  source: DenoiserSource,
  rows: number,
  precision: Precision = 'float32',
): Promise<Graph> {
  const { modelPath: label, views, network, family, config } = source.folder.denoiser;
  const halves = precision === 'float16' ? [precision] : engine.raises;
  if (network) {
    const [tokens] = source.embedsShape;
    const weights = await openComponentWeights(label, views);
    const built = await builtGraph(weights, network({ rows, sampleSize: config.sampleSize, tokens }), halves);
    return withConstantChannels(built, 'sample', source.extraChannels);
  }
  const { bytes, ...weights } = await readModelFile(label, halves);
  const model = decodeModel(bytes, label);
  const axes = inputAxes(model);
  const conditioning = family.conditioning(config, source.embedsShape);
  const inputShapes = {
    sample: [rows, config.channels + config.extraChannels, ...config.sampleSize],
    // A model that takes one timestep for all rows has it as a scalar.
    ...(axes.get('timestep')?.length === 1 && { timestep: [rows] }),
    ...Object.fromEntries(Object.entries(conditioning).map(([name, { shape }]) => [name, [rows, ...shape]])),
  };
  // Older exporters list weights among the inputs.
  const constants = new Set(model.graph.initializer.map(({ name }) => name));
  const known = [...new Set(['timestep', ...Object.keys(inputShapes)])];
  const unknown = [...axes.keys()].filter((name) => !constants.has(name) && !known.includes(name));
  if (unknown.length > 0) {
    const nextStep = unknown.includes('timestep_cond')
      ? 'Set time_cond_proj_dim in the config.json beside it to the width of timestep_cond.'
      : `Use a model of the kind ${family.models}.`;
    const text = `${label} inputs: expected ${known.join(', ')} alone, got ${unknown.join(', ')} too. ${nextStep}`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  const graph = await prepareGraph(engine, bytes, { label, inputShapes, ...weights });
  return withConstantChannels(withFloatInput(graph, 'timestep'), 'sample', source.extraChannels);
}

async function builtGraph(
  weights: ComponentWeights,
  network: Network,
  halves: readonly HalfType[],
): Promise<Graph> {
  try {
    return networkGraph(network, await readNetworkWeights(network, weights, null, halves));
  } finally {
    await weights.close();
  }
}

/**
 * Returns timesteps as the graph's input takes them: of its type, one per row or one for all.
 *
 * Errors: TRIB_MODEL if the input takes integers and a timestep is a fraction, as in flows, or if it has another type.
 */
export function timestepTensor(
  timesteps: readonly number[],
  type: ElementType,
  shape: readonly (number | string)[],
): Tensor {
  const values = shape.length === 0 ? timesteps.slice(0, 1) : timesteps;
  const dims = shape.length === 0 ? [] : [values.length];
  const fraction = type === 'float32' ? undefined : values.find((value) => !Number.isInteger(value));
  if (fraction !== undefined) {
    const text = `denoiser input "timestep": expected float32, because a flow has timesteps like ${fraction}, got ${type}. Export the model with a float timestep.`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  if (type === 'int64') return int64(values, dims);
  if (type === 'int32') return int32(Int32Array.from(values), dims);
  if (type === 'float32') return float32(values, dims);
  const text = `denoiser input "timestep": expected int64, int32 or float32, got ${type}. Export the model in float32.`;
  throw new TributaryError('TRIB_MODEL', text);
}
