import { dirname, join } from 'node:path';
import { TributaryError } from '../../errors.js';
import type { BesideLoraFile } from '../../models/adapters/lora-file.js';
import { isPickle, readWholeFile } from '../../models/files/read-bytes.js';
import type { LoraSettings } from '../../models/graph/weights/lora.js';
import { decodePolicy, type FilePolicy } from '../../models/policy/policy-file.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { adapterPathOf } from './adapter-path.js';

/** The file of a policy on disk. */
export interface AdapterFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly beside: BesideLoraFile;
}

/** A policy, and warnings about its file. */
export type ReadPolicy = FilePolicy & { readonly path: string; readonly warnings: readonly string[] };

/**
 * Reads the file of a policy: an adapter in any style that `decodeLoraFile` knows, or all weights of a UNet.
 *
 * Errors: TRIB_FILE if it cannot be read or is damaged; TRIB_LORA if it is no policy of a UNet, or a pickle.
 *
 * @param place the file, or a folder that `adapterPathOf` knows.
 */
export async function readPolicy(place: string): Promise<ReadPolicy> {
  const warnings: string[] = [];
  const { path, bytes, beside } = await readAdapterFile(place, (message) => warnings.push(message));
  return { ...decodePolicy(bytes, path, beside), path, warnings };
}

/** What the config trains: an adapter, or null for all weights. */
export const loraOf = ({ model }: Pick<ResolvedConfig, 'model'>): LoraSettings | null =>
  model.train === 'full' ? null : model.lora;

/** The settings to open a network with for a policy. The layers of the file replace a pattern. */
export function loraFor({ adapter }: Pick<FilePolicy, 'adapter'>): LoraSettings | null {
  return adapter && { pattern: '', rank: adapter.rank, alpha: adapter.alpha, layers: adapter.layers };
}

/**
 * Reads the bytes of an adapter file and the `adapter_config.json` beside it. A pickle is refused without reading it.
 *
 * Errors: TRIB_FILE if one of them cannot be read; TRIB_LORA for a pickle.
 */
export async function readAdapterFile(place: string, warn: (message: string) => void): Promise<AdapterFile> {
  const path = await adapterPathOf(place);
  const bytes = await readWholeFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new TributaryError(
      'TRIB_FILE',
      `${path}: expected an adapter file, got ${cause.code ?? cause.message}. Name a pytorch_lora_weights.safetensors.`,
      { cause },
    );
  });
  if (!isPickle(bytes)) return { path, bytes, beside: { peftConfig: await peftConfigBeside(path), warn } };
  throw new TributaryError(
    'TRIB_LORA',
    `${path}: expected safetensors, got a pickle (torch.save). A pickle can run arbitrary code when it is read, so it is never read. If you trust it, load it with torch.load(weights_only=True) and save it with safetensors.`,
  );
}

async function peftConfigBeside(adapter: string): Promise<BesideLoraFile['peftConfig']> {
  const path = join(dirname(adapter), 'adapter_config.json');
  try {
    return { path, text: new TextDecoder().decode(await readWholeFile(path)) };
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new TributaryError(
      'TRIB_FILE',
      `${path}: expected the configuration of an adapter, got ${code ?? message}. Check its permissions, or move the adapter elsewhere.`,
      { cause },
    );
  }
}
