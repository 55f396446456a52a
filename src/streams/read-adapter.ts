import { readFile } from 'node:fs/promises';
import { TributaryError } from '../errors.js';
import type { NamedArrays } from '../models/optimizers/adamw.js';
import { decodeParameters } from '../models/policy/adapter-parameters.js';

/** An adapter as a file holds it. */
export interface StoredAdapter {
  readonly parameters: NamedArrays;
  readonly rank: number;
  readonly alpha: number;
}

/**
 * Reads `pytorch_lora_weights.safetensors`, of Tributary or of diffusers.
 *
 * **Errors**: TRIB_FILE where it cannot be read or is damaged; TRIB_LORA where it is no adapter of one rank and alpha.
 */
export async function readAdapter(path: string): Promise<StoredAdapter> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new TributaryError(
      'TRIB_FILE',
      `${path}: expected an adapter file, got ${cause.code ?? cause.message}. Name a pytorch_lora_weights.safetensors.`,
      { cause },
    );
  });
  return decodeParameters(bytes, path);
}
