/** @file Prompts as the denoiser sees them: a row of token embeddings, followed for SDXL by the pooled embedding. */

import { TributaryError } from '../../errors.js';
import { compileGraph, compileModelFile } from '../engines/compile-graph.js';
import type { Engine, Executable, Port, Tensors } from '../engines/contract/engine.js';
import { prepareGraph } from '../engines/prepare-graph.js';
import { readModelFile } from '../graph/onnx/model-file.js';
import { changedGraph } from '../graph/weights/changed-graph.js';
import type { ComponentChanges, WeightChange } from '../graph/weights/weight-change.js';
import { clipTextModel } from '../networks/clip-text-model.js';
import { openComponentWeights } from '../networks/component-weights.js';
import { networkGraph, readNetworkWeights } from '../networks/network-weights.js';
import { float32Data, int32, int64, type Tensor } from '../tensor.js';
import { requireFittingTokenizer } from './fitting-tokenizer.js';
import type { PipelineFolder, TextEncoderOnDisk } from './pipeline-folder.js';
import { loadTokenizer, type Tokenizer } from './tokenizers/tokenizer.js';

interface PromptEncoder {
  /** That of the first encoder. */
  readonly tokenizer: Tokenizer;
  /** [tokens, width] of the token embeddings. */
  readonly embedsShape: readonly [number, number];
  /** Length of a row: all token embeddings, then the pooled embedding if there is one. */
  readonly rowSize: number;
  /** Returns a row; the empty prompt is the unconditional one. */
  embed(prompt: string): Promise<Float32Array>;
  release(): Promise<void>;
}

interface OpenEncoder {
  readonly path: string;
  readonly tokenizer: Tokenizer;
  readonly executable: Executable;
}

/** Tensors that are not used: of old CLIP files, of a projection that is not built, and of a whole CLIP's other half. */
const UNUSED = /position_ids$|^(text_projection\.|visual_projection\.|vision_model\.|logit_scale$)/;

/**
 * Opens the text encoders of a pipeline. One encoder gives its last hidden state (SD 1.x, SD 2.x). Two give their hidden
 * states before the last layer, side by side, and the second its pooled embedding (SDXL).
 *
 * Errors: as `loadTokenizer`, `requireFittingTokenizer`, `compileModelFile` and `readNetworkWeights`; TRIB_MODEL where an
 * encoder has inputs beside token ids.
 */
export async function openPromptEncoder(
  engine: Engine,
  folder: PipelineFolder,
  changes: ComponentChanges = {},
): Promise<PromptEncoder> {
  const encoders: OpenEncoder[] = [];
  for (const onDisk of folder.textEncoders)
    encoders.push(await openEncoder(engine, onDisk, changes[onDisk.component] ?? []));
  const [first] = encoders as [OpenEncoder];
  const { crossAttentionDim, pooledWidth } = folder.denoiser.config;
  const embedsShape = [first.tokenizer.modelMaxLength, crossAttentionDim] as const;
  const [tokens, width] = embedsShape;
  const rowSize = tokens * width + (pooledWidth ?? 0);

  async function encode(prompt: string): Promise<Float32Array> {
    const row = new Float32Array(rowSize);
    let column = 0;
    for (const [index, { path, tokenizer, executable }] of encoders.entries()) {
      const ids = tokenizer.encode(prompt);
      const outputs = await executable.run({ input_ids: tokenIds(ids, executable.inputs) });
      const name = encoders.length === 1 ? 'last_hidden_state' : penultimate(executable.outputs, path);
      const states = outputs[name];
      const part = states?.shape.at(-1) ?? 0;
      const isLast = index === encoders.length - 1;
      const fits = isLast ? column + part === width : column + part < width;
      if (!fits || float32Data(states, name).length !== tokens * part)
        throw unfit(path, name, [1, tokens, width - column], states);
      for (let token = 0; token < tokens; token++) {
        const features = float32Data(states, name).subarray(token * part, (token + 1) * part);
        row.set(features, token * width + column);
      }
      column += part;
      if (isLast && pooledWidth !== null) row.set(pooledOf(outputs, path, pooledWidth), tokens * width);
    }
    return row;
  }
  return {
    tokenizer: first.tokenizer,
    embedsShape,
    rowSize,
    embed: async (prompt) =>
      folder.zeroEmptyPrompt && prompt === '' ? new Float32Array(rowSize) : encode(prompt),
    async release() {
      for (const { executable } of encoders) await executable.release();
    },
  };
}

async function openEncoder(
  engine: Engine,
  onDisk: TextEncoderOnDisk,
  changes: readonly WeightChange[],
): Promise<OpenEncoder> {
  const { modelPath: path, views, architecture } = onDisk;
  const tokenizer = loadTokenizer(onDisk.tokenizer);
  await requireFittingTokenizer(tokenizer, onDisk);
  if (!architecture) {
    const executable =
      changes.length === 0
        ? await compileModelFile(engine, path)
        : await compileChanged(engine, path, changes, tokenizer.modelMaxLength);
    requireTokenIds(executable.inputs, path);
    return { path, tokenizer, executable };
  }
  const weights = await openComponentWeights(path, views);
  try {
    const network = (layer: Parameters<typeof clipTextModel>[0]) =>
      clipTextModel(layer, architecture, tokenizer.modelMaxLength);
    const read = await readNetworkWeights(network, weights, UNUSED, engine.raises);
    const graph = changedGraph(networkGraph(network, read), changes, path);
    return { path, tokenizer, executable: await compileGraph(engine, graph, { label: path }) };
  } finally {
    await weights.close();
  }
}

/** An ONNX graph with changed weights, for prompts of so many tokens. */
async function compileChanged(
  engine: Engine,
  path: string,
  changes: readonly WeightChange[],
  tokens: number,
): Promise<Executable> {
  const { bytes, ...weights } = await readModelFile(path);
  const options = { label: path, inputShapes: { input_ids: [1, tokens] }, ...weights };
  const graph = changedGraph(await prepareGraph(engine, bytes, options), changes, path);
  return compileGraph(engine, graph, { label: path });
}

function requireTokenIds(inputs: readonly Port[], path: string): void {
  const names = inputs.map(({ name }) => name);
  if (names.join() === 'input_ids') return;
  const text = `${path}: expected only the input input_ids, got ${names.join(', ')}. Export the text encoder as diffusers calls it, without a mask.`;
  throw new TributaryError('TRIB_MODEL', text);
}

/** The hidden states before the last layer: of outputs `hidden_states.0` to `hidden_states.<n>`, the last but one. */
function penultimate(outputs: readonly Port[], path: string): string {
  const numbers = outputs.flatMap(({ name }) => /^hidden_states\.(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  const number = numbers.sort((a, b) => a - b).at(-2);
  if (number !== undefined) return `hidden_states.${number}`;
  const text = `${path}: expected outputs hidden_states.<n>, got ${outputs.map(({ name }) => name).join(', ')}. Export the model with output_hidden_states.`;
  throw new TributaryError('TRIB_MODEL', text);
}

function pooledOf({ text_embeds: pooled }: Tensors, path: string, width: number): Float32Array {
  if (pooled && pooled.data.length === width) return float32Data(pooled, 'text_embeds');
  throw unfit(path, 'text_embeds', [1, width], pooled);
}

function unfit(path: string, name: string, shape: readonly number[], got: Tensor | undefined) {
  return new TributaryError(
    'TRIB_MODEL',
    `${path} output "${name}": expected [${shape.join(', ')}], got ${got ? `[${got.shape.join(', ')}]` : 'none'}. Use the text encoder that belongs to the denoiser.`,
  );
}

/** Returns token ids [1, tokens] in the integer type that the encoder takes. */
function tokenIds(ids: Int32Array, inputs: readonly Port[]): Tensor {
  const shape = [1, ids.length];
  return inputs.find(({ name }) => name === 'input_ids')?.type === 'int32'
    ? int32(ids, shape)
    : int64([...ids], shape);
}
