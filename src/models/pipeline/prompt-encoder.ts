/** @file Prompts as the denoiser sees them: a row of token embeddings, followed for SDXL and SD 3 by the pooled embedding. */

import { TributaryError } from '../../errors.js';
import type { Engine, Port, Tensors } from '../engines/contract/engine.js';
import type { Adapter, LoraSettings } from '../graph/weights/lora.js';
import { adapterFeeds } from '../graph/weights/policy-feeds.js';
import type { ComponentChanges } from '../graph/weights/weight-change.js';
import type { NamedArrays } from '../optimizers/adamw.js';
import { elementCount, float32Data, type Tensor } from '../tensor.js';
import { requireFinite } from './finite-numbers.js';
import type { PipelineFolder } from './pipeline-folder.js';
import { openT5 } from './t5-text-encoder.js';
import { openTextEncoder, requireTrainable, type TextEncoder, tokenIds } from './text-encoder.js';
import type { Tokenizer } from './tokenizers/tokenizer-contract.js';

export interface PromptEncoder {
  /** That of the first encoder. */
  readonly tokenizer: Tokenizer;
  /** [tokens, width] of the token embeddings. */
  readonly embedsShape: readonly [number, number];
  /** Length of a row: all token embeddings, then the pooled embedding if there is one. */
  readonly rowSize: number;
  /** The adapters that `usePolicy` feeds; none where the encoders are frozen. */
  readonly adapters: readonly Adapter[];
  /** Returns a row; the empty prompt is the unconditional one. Errors: as `requireFinite`. */
  embed(prompt: string): Promise<Float32Array>;
  /** The parameters of all later rows. Errors: as `adapterFeeds`. */
  usePolicy(parameters: NamedArrays): Promise<void>;
  release(): Promise<void>;
}

/** How the encoders differ from what lies on disk. */
interface EncoderOptions {
  readonly changes?: ComponentChanges;
  /** What is trained in them, where it has a `textEncoder`; its parameters come with `usePolicy`. */
  readonly lora?: LoraSettings | null;
}

/**
 * Opens the text encoders of a pipeline. One encoder gives its last hidden state (SD 1.x, SD 2.x). Two give their hidden
 * states before the last layer, side by side, and the second its pooled embedding (SDXL) or each its own, one after the
 * other (SD 3). There the tokens are filled up with zeros to the width that the transformer takes, and those of T5 follow,
 * which are zeros where it is not there.
 *
 * Errors: as `openTextEncoder`; TRIB_LORA where the encoders of SD 3 are to be trained.
 */
export async function openPromptEncoder(
  engine: Engine,
  folder: PipelineFolder,
  { changes = {}, lora = null }: EncoderOptions = {},
): Promise<PromptEncoder> {
  const isPadded = folder.denoiser.family.prompts === 'padded';
  if (lora?.textEncoder !== undefined) requireTrainable(folder);
  const encoders: TextEncoder[] = [];
  for (const onDisk of folder.textEncoders)
    encoders.push(await openTextEncoder(engine, onDisk, changes[onDisk.component] ?? [], lora));
  const [first] = encoders as [TextEncoder];
  const { crossAttentionDim, pooledWidth } = folder.denoiser.config;
  const tokens = first.tokenizer.modelMaxLength;
  const embedsShape = [tokens + folder.thirdTokens, crossAttentionDim] as const;
  const [, width] = embedsShape;
  const rowSize = elementCount(embedsShape) + (pooledWidth ?? 0);

  const t5 = folder.t5 && (await openT5(engine, folder.t5, folder.thirdTokens));

  async function encode(prompt: string): Promise<Float32Array> {
    const row = new Float32Array(rowSize);
    let [column, pooledStart] = [0, elementCount(embedsShape)];
    for (const [index, { path, tokenizer, executable }] of encoders.entries()) {
      const ids = tokenizer.encode(prompt);
      const outputs = await executable.run({ input_ids: tokenIds(ids, executable.inputs) });
      const name = encoders.length === 1 ? 'last_hidden_state' : penultimate(executable.outputs, path);
      const states = outputs[name];
      const part = states?.shape.at(-1) ?? 0;
      const isLast = index === encoders.length - 1;
      const fits = isLast && !isPadded ? column + part === width : column + part <= width;
      if (!fits || float32Data(states, name).length !== tokens * part)
        throw unfit(path, name, [1, tokens, width - column], states);
      requireFinite(float32Data(states, name), 'embeddings', path);
      for (let token = 0; token < tokens; token++) {
        const features = float32Data(states, name).subarray(token * part, (token + 1) * part);
        row.set(features, token * width + column);
      }
      column += part;
      if (pooledWidth === null || !(isLast || isPadded)) continue;
      const pooled = pooledOf(outputs, path, { left: rowSize - pooledStart, isLast });
      requireFinite(pooled, 'embeddings', path);
      row.set(pooled, pooledStart);
      pooledStart += pooled.length;
    }
    if (t5) row.set(await t5.embed(prompt), tokens * width);
    return row;
  }
  return {
    tokenizer: first.tokenizer,
    embedsShape,
    rowSize,
    adapters: encoders.flatMap(({ adapters }) => adapters),
    embed: async (prompt) =>
      folder.zeroEmptyPrompt && prompt === '' ? new Float32Array(rowSize) : encode(prompt),
    async usePolicy(parameters) {
      for (const { executable, adapters } of encoders)
        if (lora && adapters.length > 0) await executable.hold(adapterFeeds(adapters, parameters, lora.rank));
    },
    async release() {
      for (const { executable } of encoders) await executable.release();
      await t5?.release();
    },
  };
}

/** The hidden states before the last layer: of outputs `hidden_states.0` to `hidden_states.<n>`, the last but one. */
function penultimate(outputs: readonly Port[], path: string): string {
  const numbers = outputs.flatMap(({ name }) => /^hidden_states\.(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  const number = numbers.sort((a, b) => a - b).at(-2);
  if (number !== undefined) return `hidden_states.${number}`;
  const text = `${path}: expected outputs hidden_states.<n>, got ${outputs.map(({ name }) => name).join(', ')}. Export the model with output_hidden_states.`;
  throw new TributaryError('TRIB_MODEL', text);
}

function pooledOf(
  { text_embeds: pooled }: Tensors,
  path: string,
  { left, isLast }: { readonly left: number; readonly isLast: boolean },
): Float32Array {
  const length = pooled?.data.length ?? 0;
  if (pooled && (isLast ? length === left : length < left)) return float32Data(pooled, 'text_embeds');
  throw unfit(path, 'text_embeds', [1, left], pooled);
}

function unfit(path: string, name: string, shape: readonly number[], got: Tensor | undefined) {
  return new TributaryError(
    'TRIB_MODEL',
    `${path} output "${name}": expected [${shape.join(', ')}], got ${got ? `[${got.shape.join(', ')}]` : 'none'}. Use the text encoder that belongs to the denoiser.`,
  );
}
