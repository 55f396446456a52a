/** @file Textual inversions on disk: vectors of a text encoder that a new token stands for. */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TributaryError } from '../../../errors.js';
import { floatValues } from '../../files/safetensors.js';
import { openSafetensors, type SafetensorsFile } from '../../files/safetensors-file.js';
import type { TensorRecord } from '../../files/safetensors-header.js';
import { PICKLE } from '../../networks/component-weights.js';
import type { TokenVectors } from '../tokenizers/tokenizer-contract.js';

/** A textual inversion that someone names. */
export interface EmbeddingPlace {
  /** The file, or the folder of a `learned_embeds.safetensors`. */
  readonly path: string;
  /** Null for the token of the file. */
  readonly token: string | null;
}

/** Vectors for one text encoder. */
export interface VectorTable extends TokenVectors {
  /** Name of the tensor. */
  readonly tensor: string;
  /** That of SDXL which the file says they are for; null where it says nothing. */
  readonly encoder: 'clip_l' | 'clip_g' | null;
  readonly width: number;
}

/** What `save_progress` of diffusers' script calls the file. */
const IN_FOLDER = 'learned_embeds';
/** Web UIs hide vectors in pictures, too. */
const PICTURE = /\.(png|webp|jpe?g)$/i;
const ENCODERS = ['clip_l', 'clip_g'] as const;
const BARE = 'emb_params';

/** What a tensor's name says about a file that holds something else; the first that matches counts. */
const OTHERS: readonly (readonly [name: RegExp, got: string, nextStep: string])[] = [
  [
    /lora|\.alpha$|hada_|lokr_|dora_scale|\.oft_/,
    'an adapter',
    'Name it with --lora, or in model.startFrom.',
  ],
  [/^t5|^llama|^qwen/, 'vectors of another text encoder', 'Use an embedding of SD 1.x, SD 2.x or SDXL.'],
  [/_out$/, 'vectors for the output of a text encoder', 'Train it without output embeddings.'],
  [/^(model|cond_stage_model|conditioner|first_stage_model)\./, 'a checkpoint', 'Name it as the pipeline.'],
  [
    /^(text_model|encoder|embeddings|text_projection)\./,
    'a whole text encoder',
    'Name the file of the embedding.',
  ],
];

/**
 * Reads what a file holds: `{<token>: vectors}` of diffusers, `emb_params` of web UIs and kohya's scripts, or `clip_l` and
 * `clip_g` for SDXL, whose token is the file's name. Vectors are [n, width] or [width]; only the header is read.
 *
 * Errors: TRIB_FILE if it cannot be read or is damaged; TRIB_MODEL if it holds anything else, or is a pickle.
 */
export async function readEmbedding(place: EmbeddingPlace): Promise<readonly VectorTable[]> {
  const path = await fileOf(place.path);
  const file = await openSafetensors(path, true);
  try {
    const token = place.token ?? ownToken(file);
    return [...tablesOf(file)].map(([encoder, { name, shape }]) => {
      const [count = 0, width = 0] = shape.length === 1 ? [1, ...shape] : shape;
      if (shape.length > 2 || count === 0 || width === 0)
        throw fault(`${path} tensor "${name}"`, '[vectors, width]', `[${shape.join(', ')}]`, AGAIN);
      return { token, path, tensor: name, encoder, count, width };
    });
  } finally {
    await file.close();
  }
}

/** Reads the vectors [count, width]. Errors: TRIB_FILE; TRIB_MODEL for integers and for what is not finite. */
export async function readVectors({ path, tensor: name }: VectorTable): Promise<Float32Array> {
  const file = await openSafetensors(path, true);
  try {
    const tensor = await file.read(name);
    const values = floatValues(tensor);
    if (values?.every(Number.isFinite)) return values;
    const got = values ? `${values.find((value) => !Number.isFinite(value))}` : tensor.dtype;
    throw fault(`${path} tensor "${name}"`, 'finite numbers in F32, F16 or BF16', got, AGAIN);
  } finally {
    await file.close();
  }
}

const AGAIN = 'Copy or download the file again, or use another one.';

function fault(place: string, expected: string, got: string, nextStep: string): TributaryError {
  return new TributaryError('TRIB_MODEL', `${place}: expected ${expected}, got ${got}. ${nextStep}`);
}

const isThere = (path: string) => stat(path).then(Boolean, () => false);

async function fileOf(place: string): Promise<string> {
  const isFolder = await stat(place).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const inFolder = join(place, `${IN_FOLDER}.safetensors`);
  const isOld = isFolder && !(await isThere(inFolder)) && (await isThere(join(place, `${IN_FOLDER}.bin`)));
  const path = isOld ? join(place, `${IN_FOLDER}.bin`) : isFolder ? inFolder : place;
  const expected = 'a textual inversion as safetensors';
  if (PICKLE.test(path))
    throw fault(
      path,
      expected,
      'a pickle, which can run any code when it is loaded and is never read here',
      'Where you trust it, load it with torch.load(file, weights_only=True), and save {"emb_params": vectors} with safetensors; those of web UIs are at ["string_to_param"]["*"].',
    );
  if (PICTURE.test(path))
    throw fault(path, expected, 'a picture', 'Use the safetensors of the same embedding.');
  return path;
}

function ownToken({ path, records }: SafetensorsFile): string {
  const [first = '', ...others] = records.keys();
  const isNamed = others.length === 0 && ![BARE, ...ENCODERS].includes(first);
  return isNamed ? first : basename(path).replace(/\.safetensors$/i, '');
}

/** The tensors of the file by the encoder that they are for. */
function tablesOf({ path, records, leftOut }: SafetensorsFile): Map<VectorTable['encoder'], TensorRecord> {
  const names = [...records.keys(), ...leftOut.keys()];
  // The one tensor of a file may have any token for its name.
  const suspects = names.length === 1 ? names.filter((name) => name.includes('.')) : names;
  for (const [pattern, got, nextStep] of OTHERS) {
    const name = suspects.find((one) => pattern.test(one));
    if (name) throw fault(path, 'a textual inversion', `${got} (tensor "${name}")`, nextStep);
  }
  const [first] = records.values();
  const ofEncoders = ENCODERS.flatMap((encoder) => {
    const record = records.get(encoder);
    return record ? [[encoder, record] as const] : [];
  });
  if (ofEncoders.length > 0 && ofEncoders.length === names.length) return new Map(ofEncoders);
  if (first && names.length === 1) return new Map([[null, first]]);
  const typed = (name: string) => `"${name}"${leftOut.has(name) ? ` (${leftOut.get(name)})` : ''}`;
  const got = names.length === 0 ? 'no tensors' : names.slice(0, 5).map(typed).join(', ');
  throw fault(
    path,
    `the vectors of one token ("${BARE}", "clip_l" and "clip_g", or the token's own name)`,
    got,
    'Save each token in a file of its own.',
  );
}
