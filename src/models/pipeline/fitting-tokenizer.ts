/** @file Whether a text encoder has a row and a position for every id of its tokenizer. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { TributaryError } from '../../errors.js';
import { readJsonFile } from '../files/json-file.js';
import { count, objectOf } from '../networks/config-fields.js';
import type { TextEncoderOnDisk } from './pipeline-folder.js';
import type { Tokenizer } from './tokenizers/tokenizer-contract.js';

/** How many added tokens a message names. */
const SHOWN = 5;

const sizes = objectOf({ vocab_size: count().optional(), max_position_embeddings: count().optional() });

/**
 * Checks ids and length against `vocab_size` and `max_position_embeddings` in the text encoder's `config.json`. Checks
 * nothing where an ONNX graph has no config.
 *
 * Errors: TRIB_MODEL. Added tokens beyond the rows (a textual inversion without its embeddings) are named.
 */
export async function requireFittingTokenizer(
  { modelMaxLength, vocabSize, addedTokens }: Tokenizer,
  { modelPath, tokenizer: source, architecture }: TextEncoderOnDisk,
): Promise<void> {
  const configPath = join(dirname(modelPath), 'config.json');
  if (!architecture && !existsSync(configPath)) return;
  const nextStep = 'Use the tokenizer that belongs to the text encoder.';
  const json = architecture
    ? { vocab_size: architecture.vocabSize, max_position_embeddings: architecture.maxPositionEmbeddings }
    : await readJsonFile(configPath, sizes, { code: 'TRIB_MODEL', nextStep });
  const tokenizerPath = typeof source === 'string' ? source : "CLIP's tokenizer";
  const rows = json.vocab_size ?? Number.POSITIVE_INFINITY;
  const positions = json.max_position_embeddings ?? Number.POSITIVE_INFINITY;
  const without = [...addedTokens].filter(([, id]) => id >= rows);
  if (without.length > 0) {
    const named = without.slice(0, SHOWN).map(([token, id]) => `${JSON.stringify(token)} (${id})`);
    const more = without.length > SHOWN ? ` and ${without.length - SHOWN} more` : '';
    const text = `${tokenizerPath} added tokens: expected ids below ${rows}, the vocab_size in ${configPath}, got ${named.join(', ')}${more}. Take the tokens out of the tokenizer's files and name the files of their vectors in model.embeddings, or save the pipeline with diffusers after load_textual_inversion, which gives the text encoder a row for each token.`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  if (modelMaxLength > positions || vocabSize > rows) {
    const text = `${tokenizerPath}: expected at most ${positions} tokens out of ${rows}, as ${configPath} says, got ${modelMaxLength} out of ${vocabSize}. ${nextStep}`;
    throw new TributaryError('TRIB_MODEL', text);
  }
}
