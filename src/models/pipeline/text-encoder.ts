/** @file One text encoder of a pipeline: its tokenizer and its graph, with an adapter where one is trained. */

import { TributaryError } from '../../errors.js';
import { compileGraph, compileModelFile } from '../engines/compile-graph.js';
import type { Engine, Executable, Port } from '../engines/contract/engine.js';
import { prepareGraph } from '../engines/prepare-graph.js';
import type { Graph } from '../graph/graph.js';
import { readModelFile } from '../graph/onnx/model-file.js';
import { changedGraph } from '../graph/weights/changed-graph.js';
import { type Adapter, addLora, type LoraSettings } from '../graph/weights/lora.js';
import { withTokenRows } from '../graph/weights/token-vectors.js';
import type { WeightChange } from '../graph/weights/weight-change.js';
import { clipTextModel } from '../networks/clip-text-model.js';
import { openComponentWeights } from '../networks/component-weights.js';
import { networkGraph, readNetworkWeights } from '../networks/network-weights.js';
import { int32, int64, type Tensor } from '../tensor.js';
import { readVectors } from './embeddings/embedding-file.js';
import { requireFittingTokenizer } from './fitting-tokenizer.js';
import type { PipelineFolder, TextEncoderOnDisk } from './pipeline-folder.js';
import { loadTokenizer } from './tokenizers/tokenizer.js';
import type { Tokenizer } from './tokenizers/tokenizer-contract.js';

export interface TextEncoder {
  readonly path: string;
  readonly tokenizer: Tokenizer;
  readonly executable: Executable;
  /** Those that the graph takes the parameters of. */
  readonly adapters: readonly Adapter[];
}

/** Tensors that are not used: of old CLIP files, of a projection that is not built, and of a whole CLIP's other half. */
export const UNUSED = /position_ids$|^(text_projection\.|visual_projection\.|vision_model\.|logit_scale$)/;

/**
 * Opens a text encoder with changed weights, and with the adapter that `lora` trains in it.
 *
 * Errors: as `loadTokenizer`, `requireFittingTokenizer`, `compileModelFile` and `adaptedTextGraph`; TRIB_MODEL where it has
 * inputs beside token ids.
 */
export async function openTextEncoder(
  engine: Engine,
  onDisk: TextEncoderOnDisk,
  changes: readonly WeightChange[],
  lora: LoraSettings | null,
): Promise<TextEncoder> {
  const { modelPath: path, architecture } = onDisk;
  await requireFittingTokenizer(loadTokenizer(onDisk.tokenizer), onDisk);
  const tokenizer = tokenizerFor(onDisk);
  const tokens = tokenizer.modelMaxLength;
  if (architecture || lora?.textEncoder !== undefined) {
    const { graph, adapters } = await adaptedTextGraph(engine, onDisk, tokens, lora);
    const changed = changedGraph(graph, changes, path);
    return { path, tokenizer, adapters, executable: await compileGraph(engine, changed, { label: path }) };
  }
  const executable =
    changes.length === 0 && onDisk.inversions === undefined
      ? await compileModelFile(engine, path)
      : await compileChanged(engine, onDisk, changes, tokens);
  requireTokenIds(executable.inputs, path);
  return { path, tokenizer, executable, adapters: [] };
}

/**
 * Builds the graph of a CLIP text encoder, and puts an adapter beside the layers that `lora.textEncoder` names.
 *
 * Errors: as `readNetworkWeights` and `addLora`; TRIB_LORA where a graph in ONNX form is to be adapted.
 */
export async function adaptedTextGraph(
  engine: Engine,
  onDisk: TextEncoderOnDisk,
  tokens: number,
  lora: LoraSettings | null,
): Promise<{ readonly graph: Graph; readonly adapters: readonly Adapter[] }> {
  const { modelPath: path, views, architecture, component } = onDisk;
  if (!architecture) throw notAdapted(path);
  const weights = await openComponentWeights(path, views);
  try {
    const network = (layer: Parameters<typeof clipTextModel>[0]) =>
      clipTextModel(layer, architecture, tokens);
    const read = await readNetworkWeights(network, weights, UNUSED, engine.raises);
    const graph = await withInversions(networkGraph(network, read), onDisk);
    if (lora?.textEncoder === undefined) return { graph, adapters: [] };
    const { rank, alpha, textEncoder: pattern } = lora;
    return addLora(
      graph,
      { pattern, rank, alpha, component, form: 'beside' },
      `${path} model.lora.textEncoder`,
    );
  } finally {
    await weights.close();
  }
}

/** The error for a text encoder that cannot be adapted. */
export function notAdapted(path: string): TributaryError {
  return new TributaryError(
    'TRIB_LORA',
    `${path}: expected a CLIP text encoder in safetensors, which model.lora.textEncoder can adapt, got a graph in ONNX form. Use the model in the layout of diffusers, or leave model.lora.textEncoder out.`,
  );
}

/** Errors: TRIB_LORA for a family whose text encoders stay frozen. */
export function requireTrainable({ path, denoiser }: Pick<PipelineFolder, 'path' | 'denoiser'>): void {
  const { prompts, models } = denoiser.family;
  if (prompts === 'exactly') return;
  throw new TributaryError(
    'TRIB_LORA',
    `${path}: expected model.lora.textEncoder to be left out, because the text encoders of ${models} stay frozen, got a pattern. Remove it.`,
  );
}

/** An ONNX graph with changed weights, for prompts of so many tokens. */
async function compileChanged(
  engine: Engine,
  onDisk: TextEncoderOnDisk,
  changes: readonly WeightChange[],
  tokens: number,
): Promise<Executable> {
  const { modelPath: path } = onDisk;
  const { bytes, ...weights } = await readModelFile(path);
  const options = { label: path, inputShapes: { input_ids: [1, tokens] }, ...weights };
  const graph = await withInversions(await prepareGraph(engine, bytes, options), onDisk);
  return compileGraph(engine, changedGraph(graph, changes, path), { label: path });
}

/** The tokenizer of a text encoder, with the tokens of its textual inversions. */
export const tokenizerFor = ({ tokenizer, inversions = [] }: TextEncoderOnDisk): Tokenizer =>
  loadTokenizer(tokenizer).withTokens(inversions);

/** The graph with the vectors of textual inversions, one after the other, as their tokens have ids. */
async function withInversions(graph: Graph, onDisk: TextEncoderOnDisk): Promise<Graph> {
  const { inversions = [], modelPath } = onDisk;
  const [first] = inversions;
  const firstId = first && tokenizerFor(onDisk).addedTokens.get(first.token);
  if (first === undefined || firstId === undefined) return graph;
  const vectors = new Float32Array(inversions.reduce((sum, { count, width }) => sum + count * width, 0));
  let done = 0;
  for (const table of inversions) {
    const values = await readVectors(table);
    vectors.set(values, done);
    done += values.length;
  }
  return withTokenRows(graph, { firstId, vectors, width: first.width }, modelPath);
}

function requireTokenIds(inputs: readonly Port[], path: string): void {
  const names = inputs.map(({ name }) => name);
  if (names.join() === 'input_ids') return;
  const text = `${path}: expected only the input input_ids, got ${names.join(', ')}. Export the text encoder as diffusers calls it, without a mask.`;
  throw new TributaryError('TRIB_MODEL', text);
}

/** Returns token ids [1, tokens] in the integer type that the encoder takes. */
export function tokenIds(ids: Int32Array, inputs: readonly Port[]): Tensor {
  const shape = [1, ids.length];
  return inputs.find(({ name }) => name === 'input_ids')?.type === 'int32'
    ? int32(ids, shape)
    : int64([...ids], shape);
}
