import { readFile } from 'node:fs/promises';
import { TributaryError } from '../errors.js';
import type { NamedArrays } from '../models/optimizers/adamw.js';
import { decodeParameters } from '../models/policy/adapter-parameters.js';

/** An adapter as a file holds it. */
export interface StoredAdapter {
  readonly parameters: NamedArrays;
  readonly rank: number;
  readonly alpha: number;
  /** LoRA pattern that matches the nodes of just its layers. */
  readonly pattern: string;
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
  const adapter = decodeParameters(bytes, path);
  if (!(adapter.alpha > 0)) {
    throw new TributaryError(
      'TRIB_LORA',
      `${path}: expected an alpha above 0, got ${adapter.alpha}. Save the adapter again with its alpha.`,
    );
  }
  return { ...adapter, pattern: patternOf(Object.keys(adapter.parameters)) };
}

/** A layer's name has dots where the name of its node has slashes or dots. */
function patternOf(parameterNames: readonly string[]): string {
  const layers = new Set(parameterNames.map((name) => name.replace(/\.lora_[AB]$/, '')));
  const alternatives = [...layers].map((layer) => layer.split('.').map(escaped).join('[./]'));
  return `^/?(unet/)?(${alternatives.join('|')})/(MatMul|Gemm)`;
}

function escaped(text: string): string {
  return text.replace(/[\\^$*+?()[\]{}|]/g, '\\$&');
}
