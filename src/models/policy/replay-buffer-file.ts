/**
 * @file A replay buffer as a safetensors file: a table of latents, a list of prompts, and one column for everything else.
 * Latents after a step and before the next are the same: where two transitions of a trajectory follow one another in the
 * buffer, they are stored once.
 */

import { z } from 'zod';
import { at } from '../../at.js';
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from '../files/safetensors.js';
import { foreignState, tensorInWords } from '../optimizers/adamw-state-file.js';
import type { ReplayBuffer } from './replay-buffer.js';

/** Whole numbers, one a transition: `prompt`, `before` and `after` are places in the list of prompts and among the latents. */
const INDEX_COLUMNS = ['prompt', 'step', 'before', 'after', 'policyVersion'] as const;
/** Float64 numbers as their 64 bits. */
const NUMBER_COLUMNS = ['logProb', 'reward'] as const;
type Column = (typeof INDEX_COLUMNS)[number] | (typeof NUMBER_COLUMNS)[number];

/**
 * Returns the bytes of a buffer: `latents` [R, D] F32, the columns [N] I64 (`logProb` and `reward` as the bits of float64,
 * which the format's readers may not know), and the prompts as JSON in the metadata: a text, or a pair of prompt and negative
 * prompt. Equal buffers give equal bytes.
 */
export function encodeReplayBuffer(buffer: ReplayBuffer): Uint8Array {
  const prompts = new Map<string, { readonly place: number; readonly texts: PromptTexts }>();
  const rows: Float32Array[] = [];
  const columns: Record<Column, number[]> = {
    prompt: [],
    step: [],
    before: [],
    after: [],
    policyVersion: [],
    logProb: [],
    reward: [],
  };
  for (const { prompt, negativePrompt, latents, nextLatents, ...numbers } of buffer) {
    const texts = negativePrompt === undefined ? prompt : ([prompt, negativePrompt] as const);
    const key = JSON.stringify(texts);
    const { place } = prompts.get(key) ?? { place: prompts.size };
    prompts.set(key, { place, texts });
    columns.prompt.push(place);
    if (!sameBits(rows.at(-1), latents)) rows.push(latents);
    columns.before.push(rows.length - 1);
    columns.after.push(rows.push(nextLatents) - 1);
    for (const name of ['step', 'policyVersion', ...NUMBER_COLUMNS] as const)
      columns[name].push(numbers[name]);
  }
  const size = rows[0]?.length ?? 0;
  const latents = new Float32Array(rows.length * size);
  for (const [index, row] of rows.entries()) latents.set(row, index * size);
  const tensors = new Map<string, SafetensorsTensor>([
    ['latents', { dtype: 'F32', shape: [rows.length, size], data: latents }],
  ]);
  const column = (name: Column, data: BigInt64Array) =>
    tensors.set(name, { dtype: 'I64', shape: [buffer.length], data });
  for (const name of INDEX_COLUMNS) column(name, BigInt64Array.from(columns[name], BigInt));
  for (const name of NUMBER_COLUMNS) column(name, new BigInt64Array(Float64Array.from(columns[name]).buffer));
  return encodeSafetensors({
    tensors,
    metadata: { prompts: JSON.stringify([...prompts.values()].map(({ texts }) => texts)) },
  });
}

/**
 * Reads a buffer, bit for bit as it was written. Its latents are views of one array.
 *
 * Errors: TRIB_FILE if the file is damaged; TRIB_CHECKPOINT if it is not the file of a replay buffer.
 * `where` is the file's name, for errors.
 */
export function decodeReplayBuffer(bytes: Uint8Array, where: string): ReplayBuffer {
  const { tensors, metadata } = decodeSafetensors(bytes, where);
  const table = tensors.get('latents');
  if (table?.dtype !== 'F32' || table.shape.length !== 2)
    throw foreignState(where, 'F32 latents of two axes', tensorInWords(table));
  const [numRows = 0, size = 0] = table.shape;
  const count = tensors.get('step')?.shape[0] ?? 0;
  const column = (name: Column): BigInt64Array => {
    const tensor = tensors.get(name);
    if (tensor?.dtype === 'I64' && tensor.data.length === count) return tensor.data;
    throw foreignState(`${where} ${name}`, `I64 [${count}]`, tensorInWords(tensor));
  };
  const indices = (name: (typeof INDEX_COLUMNS)[number], bound = Number.MAX_SAFE_INTEGER) =>
    Array.from(column(name), (value) => {
      const index = Number(value);
      if (index >= 0 && index < bound) return index;
      throw foreignState(`${where} ${name}`, `numbers in 0..${bound - 1}`, `${index}`);
    });
  const numbers = (name: (typeof NUMBER_COLUMNS)[number]) => new Float64Array(column(name).buffer);
  const prompts = parsePrompts(metadata.prompts, where);
  const promptOf = indices('prompt', prompts.length);
  const [before, after] = [indices('before', numRows), indices('after', numRows)];
  const [steps, versions] = [indices('step'), indices('policyVersion')];
  const [logProbs, rewards] = [numbers('logProb'), numbers('reward')];
  const row = (index: number) => table.data.subarray(index * size, (index + 1) * size);
  return steps.map((step, index) => ({
    ...textsOf(at(prompts, at(promptOf, index))),
    step,
    latents: row(at(before, index)),
    nextLatents: row(at(after, index)),
    logProb: at(logProbs, index),
    reward: at(rewards, index),
    policyVersion: at(versions, index),
  }));
}

/** By bits, as -0 is to come back as -0. */
function sameBits(left: Float32Array | undefined, right: Float32Array): boolean {
  if (left === undefined) return false;
  return Buffer.compare(bytesOf(left), bytesOf(right)) === 0;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

type PromptTexts = z.output<typeof promptTexts>;
const promptTexts = z.union([z.string(), z.tuple([z.string(), z.string()]).readonly()]);

function textsOf(texts: PromptTexts): { readonly prompt: string; readonly negativePrompt?: string } {
  if (typeof texts === 'string') return { prompt: texts };
  const [prompt, negativePrompt] = texts;
  return { prompt, negativePrompt };
}

function parsePrompts(text: string | undefined, where: string): readonly PromptTexts[] {
  try {
    return z.array(promptTexts).parse(JSON.parse(text ?? ''));
  } catch {
    throw foreignState(`${where} prompts`, 'a list of texts in JSON', text?.slice(0, 60) ?? 'none');
  }
}
