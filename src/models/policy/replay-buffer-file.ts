/**
 * @file A replay buffer as a safetensors file: tables of latents, a list of prompts, and one column for everything else.
 * Latents after a step and before the next are the same: where two transitions of a trajectory follow one another in the
 * buffer, they are stored once.
 */

import * as z from 'zod';
import { at } from '../../at.js';
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from '../files/safetensors.js';
import { foreignState, tensorInWords } from '../optimizers/adamw-state-file.js';
import { elementCount } from '../tensor.js';
import type { ReplayBuffer, Transition } from './replay-buffer.js';

/** Whole numbers, one a transition: `prompt`, `before` and `after` are places in the list of prompts and among the latents. */
const INDEX_COLUMNS = ['prompt', 'step', 'before', 'after', 'policyVersion'] as const;
/** Float64 numbers as their 64 bits. */
const NUMBER_COLUMNS = ['logProb', 'reward'] as const;
type Column = (typeof INDEX_COLUMNS)[number] | (typeof NUMBER_COLUMNS)[number];

/**
 * Returns the bytes of a buffer: `latents` [R, D] F32, the columns [N] I64 (`logProb` and `reward` as the bits of float64,
 * which the format's readers may not know), and the prompts as JSON in the metadata: a text, or a pair of prompt and negative
 * prompt. Latents that name their shape are in a table of that shape, `latents.4x64x96`; places among the latents go through
 * the tables in the order of their names. Equal buffers give equal bytes.
 */
export function encodeReplayBuffer(buffer: ReplayBuffer): Uint8Array {
  const prompts = new Map<string, { readonly place: number; readonly texts: PromptTexts }>();
  const tables = new Map<string, Float32Array[]>(buffer.length === 0 ? [[LATENTS, []]] : []);
  const columns: Record<Column, number[]> = {
    prompt: [],
    step: [],
    before: [],
    after: [],
    policyVersion: [],
    logProb: [],
    reward: [],
  };
  const tableOf = ({ latentShape }: Transition) =>
    latentShape ? `${LATENTS}.${latentShape.join('x')}` : LATENTS;
  for (const transition of buffer) {
    const { prompt, negativePrompt, latents, nextLatents, ...numbers } = transition;
    const texts = negativePrompt === undefined ? prompt : ([prompt, negativePrompt] as const);
    const key = JSON.stringify(texts);
    const { place } = prompts.get(key) ?? { place: prompts.size };
    prompts.set(key, { place, texts });
    columns.prompt.push(place);
    const rows = tables.get(tableOf(transition)) ?? [];
    tables.set(tableOf(transition), rows);
    if (!sameBits(rows.at(-1), latents)) rows.push(latents);
    columns.before.push(rows.length - 1);
    columns.after.push(rows.push(nextLatents) - 1);
    for (const name of ['step', 'policyVersion', ...NUMBER_COLUMNS] as const)
      columns[name].push(numbers[name]);
  }
  const tensors = new Map<string, SafetensorsTensor>();
  const starts = new Map<string, number>();
  let start = 0;
  for (const name of [...tables.keys()].sort()) {
    const rows = tables.get(name) ?? [];
    starts.set(name, start);
    start += rows.length;
    const size = rows[0]?.length ?? 0;
    const data = new Float32Array(rows.length * size);
    for (const [index, row] of rows.entries()) data.set(row, index * size);
    tensors.set(name, { dtype: 'F32', shape: [rows.length, size], data });
  }
  for (const [index, transition] of buffer.entries())
    for (const name of ['before', 'after'] as const)
      columns[name][index] = at(columns[name], index) + (starts.get(tableOf(transition)) ?? 0);
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
  const rows = rowsOf(tensors, where);
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
  const [before, after] = [indices('before', rows.length), indices('after', rows.length)];
  const [steps, versions] = [indices('step'), indices('policyVersion')];
  const [logProbs, rewards] = [numbers('logProb'), numbers('reward')];
  return steps.map((step, index) => {
    const [{ latents, latentShape }, next] = [at(rows, at(before, index)), at(rows, at(after, index))];
    if (next.latentShape?.join() !== latentShape?.join())
      throw foreignState(`${where} after`, 'the table of the latents before', `place ${at(after, index)}`);
    return {
      ...textsOf(at(prompts, at(promptOf, index))),
      ...(latentShape && { latentShape }),
      ...{ step, latents, nextLatents: next.latents },
      logProb: at(logProbs, index),
      reward: at(rewards, index),
      policyVersion: at(versions, index),
    };
  });
}

const LATENTS = 'latents';

type LatentRow = Pick<Transition, 'latents' | 'latentShape'>;

/** The rows of all tables, in the order of their names. */
function rowsOf(tensors: ReadonlyMap<string, SafetensorsTensor>, where: string): readonly LatentRow[] {
  const names = [...tensors.keys()].filter((name) => /^latents(\.\d+x\d+x\d+)?$/.test(name)).sort();
  if (names.length === 0) names.push(LATENTS);
  return names.flatMap((name) => {
    const table = tensors.get(name);
    const [, ...sides] = name.split(/[.x]/).map(Number);
    const [channels, height, width] = sides;
    const latentShape = width ? ([channels ?? 0, height ?? 0, width] as const) : undefined;
    const [numRows = 0, size = 0] = table?.shape ?? [];
    const fits = table?.shape.length === 2 && (!latentShape || size === elementCount(latentShape));
    if (table?.dtype !== 'F32' || !fits)
      throw foreignState(where, `F32 ${name} of two axes`, tensorInWords(table));
    return Array.from({ length: numRows }, (_, index) => ({
      latents: table.data.subarray(index * size, (index + 1) * size),
      ...(latentShape && { latentShape }),
    }));
  });
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
