/** @file Which text encoder of a pipeline gets which vectors, and the tokenizers that know their tokens. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TributaryError } from '../../../errors.js';
import { readJsonFile } from '../../files/json-file.js';
import { count, objectOf } from '../../networks/config-fields.js';
import { type PipelineFolder, readPipelineFolder, type TextEncoderOnDisk } from '../pipeline-folder.js';
import { readPipelineTokenizer } from '../pipeline-index.js';
import { loadTokenizer } from '../tokenizers/tokenizer.js';
import { type EmbeddingPlace, readEmbedding, type VectorTable } from './embedding-file.js';

/** Vectors by the component of the pipeline that they are for, in the order of the files. */
export interface FittedEmbeddings {
  readonly tables: ReadonlyMap<string, readonly VectorTable[]>;
  /** A sentence about each token that only one of two encoders knows. */
  readonly notes: readonly string[];
}

/** Widths of the published text encoders, and what files of that width are made for. */
const MADE_FOR: ReadonlyMap<number, string> = new Map([
  [768, 'SD 1.x, or the first text encoder of SDXL'],
  [1024, 'SD 2.x'],
  [1280, 'the second text encoder of SDXL'],
]);
const NEXT_STEP = 'Use an embedding that was made for this model.';

/**
 * Finds the text encoders that files are for: of SDXL's two the one that a file names, else the one of their width. As with
 * `load_textual_inversion` of diffusers, an encoder without vectors reads the token as text.
 *
 * Errors: as `readEmbedding`; TRIB_MODEL for a width that no encoder has, and for SDXL's files on a model with one encoder.
 */
export async function fitEmbeddings(
  textEncoders: readonly TextEncoderOnDisk[],
  places: readonly EmbeddingPlace[],
): Promise<FittedEmbeddings> {
  const encoders = await Promise.all(
    textEncoders.map(async (onDisk) => ({ component: onDisk.component, width: await widthOf(onDisk) })),
  );
  const tables = new Map<string, VectorTable[]>();
  for (const place of places) {
    for (const table of await readEmbedding(place)) {
      const { component } = encoderOf(table, encoders);
      tables.set(component, [...(tables.get(component) ?? []), table]);
    }
  }
  const notes = [...tables].flatMap(([component, found]) =>
    encoders.flatMap(({ component: other }) =>
      found
        .filter(({ token }) => !tables.get(other)?.some((table) => table.token === token))
        .map(
          ({ path, token }) =>
            `${path}: "${token}" has vectors for ${component} alone, and ${other} reads it as text; a file for that one may bear the same token`,
        ),
    ),
  );
  return { tables, notes };
}

/** Gives the text encoders of a pipeline the vectors that are for them. Errors: as `fitEmbeddings`. */
export async function withEmbeddings(
  folder: PipelineFolder,
  places: readonly EmbeddingPlace[] = [],
): Promise<PipelineFolder> {
  const { tables, notes } = await fitEmbeddings(folder.textEncoders, places);
  const textEncoders = folder.textEncoders.map((encoder) => {
    const inversions = tables.get(encoder.component);
    return inversions ? { ...encoder, inversions } : encoder;
  });
  return { ...folder, textEncoders, corrections: [...folder.corrections, ...notes] };
}

/**
 * Returns a check of prompts, which throws for one that the model cannot read with these embeddings.
 *
 * Errors: as `readPipelineTokenizer`, `readPipelineFolder` and `fitEmbeddings`; TRIB_MODEL for tokens that are there.
 */
export async function promptCheck(
  pipeline: string,
  places: readonly EmbeddingPlace[],
): Promise<(prompt: string) => void> {
  if (places.length === 0) {
    const tokenizer = await readPipelineTokenizer(pipeline);
    return (prompt) => void tokenizer.encode(prompt);
  }
  const { textEncoders } = await readPipelineFolder(pipeline);
  const { tables } = await fitEmbeddings(textEncoders, places);
  const tokenizers = textEncoders.map(({ component, tokenizer }) =>
    loadTokenizer(tokenizer).withTokens(tables.get(component) ?? []),
  );
  return (prompt) => {
    for (const tokenizer of tokenizers) tokenizer.encode(prompt);
  };
}

interface Encoder {
  readonly component: string;
  /** Null where nothing says it before the graph is read. */
  readonly width: number | null;
}

const sizes = objectOf({ hidden_size: count().optional() });

async function widthOf({ modelPath, architecture }: TextEncoderOnDisk): Promise<number | null> {
  if (architecture) return architecture.hiddenSize;
  const path = join(dirname(modelPath), 'config.json');
  if (!existsSync(path)) return null;
  const json = await readJsonFile(path, sizes, { code: 'TRIB_MODEL', nextStep: 'Restore the file.' });
  return json.hidden_size ?? null;
}

function encoderOf({ path, tensor, encoder, width }: VectorTable, encoders: readonly Encoder[]): Encoder {
  const place = `${path} tensor "${tensor}"`;
  if (encoder !== null && encoders.length === 1) {
    const text = `${place}: expected vectors for the one text encoder of this model, got those for two, which SDXL has. ${NEXT_STEP}`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  const candidates = encoder === null ? encoders : encoders.slice(encoder === 'clip_l' ? 0 : 1).slice(0, 1);
  const known = candidates.find((one) => one.width === width) ?? candidates.find((one) => one.width === null);
  if (known) return known;
  throw otherWidth(place, candidates, width);
}

function otherWidth(place: string, encoders: readonly Encoder[], width: number): TributaryError {
  const wanted = encoders.map((one) => `${one.width} for ${one.component}`).join(' or ');
  const kind = MADE_FOR.get(width);
  const got = `${width}${kind === undefined ? '' : `, as for ${kind}`}`;
  return new TributaryError(
    'TRIB_MODEL',
    `${place}: expected vectors of ${wanted}, got ${got}. ${NEXT_STEP}`,
  );
}
