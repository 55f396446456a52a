import { readFile } from 'node:fs/promises';
import { TributaryError } from '../errors.js';
import type { LoraSettings } from '../models/diffusion/denoiser.js';
import { isPickle } from '../models/files/pickle.js';
import { decodeParameters, type FileParameters } from '../models/policy/adapter-parameters.js';
import { decodePolicy, type FilePolicy, holdsWeights } from '../models/policy/policy-file.js';
import type { ResolvedConfig } from './config/topology-schema.js';

/**
 * Reads an adapter in any style that `decodeLoraFile` knows, of Tributary or of others.
 *
 * **Errors**: TRIB_FILE where it cannot be read or is damaged; TRIB_LORA where it is no adapter of a UNet, or a pickle.
 */
export async function readAdapter(path: string): Promise<FileParameters> {
  const adapter = decodeParameters(await readAdapterBytes(path), path);
  if (adapter.alpha > 0) return adapter;
  throw new TributaryError(
    'TRIB_LORA',
    `${path}: expected an alpha above 0, got ${adapter.alpha}. Save the adapter again with its alpha.`,
  );
}

/**
 * Reads the file of a policy: an adapter as `readAdapter` does, or the weights of a UNet that were trained as a whole.
 *
 * **Errors**: as `readAdapter`.
 */
export async function readPolicy(path: string): Promise<FilePolicy> {
  const bytes = await readAdapterBytes(path);
  if (holdsWeights(bytes)) return decodePolicy(bytes, path);
  const adapter = await readAdapter(path);
  return { parameters: adapter.parameters, adapter };
}

/** What the config trains: an adapter, or null for all weights. */
export const loraOf = ({ model }: Pick<ResolvedConfig, 'model'>): LoraSettings | null =>
  model.train === 'full' ? null : model.lora;

/** What a sampler is opened with for a policy; without one, for that of the config. */
export function loraFor(
  config: ResolvedConfig,
  policy: Pick<FilePolicy, 'adapter'> | null | undefined,
): LoraSettings | null {
  if (!policy) return loraOf(config);
  const { adapter } = policy;
  const { lora } = config.model;
  return adapter ? { ...lora, rank: adapter.rank, alpha: adapter.alpha, layers: adapter.layers } : null;
}

/** The bytes of an adapter file; a pickle is refused unread. */
export async function readAdapterBytes(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new TributaryError(
      'TRIB_FILE',
      `${path}: expected an adapter file, got ${cause.code ?? cause.message}. Name a pytorch_lora_weights.safetensors.`,
      { cause },
    );
  });
  if (!isPickle(bytes)) return bytes;
  throw new TributaryError(
    'TRIB_LORA',
    `${path}: expected safetensors, got a pickle (torch.save). Reading one can run whatever program its maker put in, so it is never read. Load it with torch.load(weights_only=True) where you trust it, and save it with safetensors.`,
  );
}
