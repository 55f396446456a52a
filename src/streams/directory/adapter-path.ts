/** @file What the files of a policy are called, in runs, checkpoints and `best/`. */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TributaryError } from '../../errors.js';

/** What PEFT's `save_pretrained` calls an adapter. */
const PEFT_FILE = 'adapter_model.safetensors';
/** Older files of diffusers and PEFT; reading them fails with the reason. */
const PICKLES = ['pytorch_lora_weights.bin', 'adapter_model.bin'];

/**
 * Finds the policy file that a path means: the path itself, or the file in a folder of a run, a checkpoint, `best/`,
 * diffusers' `save_lora_weights`, or PEFT's `save_pretrained`.
 *
 * Errors: TRIB_FILE if the folder has none; TRIB_USAGE if it has those of two programs.
 */
export async function adapterPathOf(path: string): Promise<string> {
  if (!(await isFolder(path))) return path;
  const [adapter, weights, peft, ...pickles] = await Promise.all(
    [ADAPTER_FILE, WEIGHTS_FILE, PEFT_FILE, ...PICKLES].map(async (name) => {
      const file = join(path, name);
      return (await isThere(file)) ? file : undefined;
    }),
  );
  const own = adapter ?? weights;
  if (own && peft) {
    throw new TributaryError(
      'TRIB_USAGE',
      `${path}: expected one adapter, got ${own} and ${peft}. Name the one that you mean.`,
    );
  }
  const found = own ?? peft ?? pickles.find((pickle) => pickle !== undefined);
  if (found !== undefined) return found;
  const others = (await readdir(path)).filter((name) => name.endsWith('.safetensors'));
  if (others.length > 0) {
    throw new TributaryError(
      'TRIB_FILE',
      `${path}: expected ${ADAPTER_FILE} or ${PEFT_FILE} in the folder, got ${others.slice(0, 3).join(', ')}${others.length > 3 ? ' and more' : ''}. Name the file itself.`,
    );
  }
  throw new TributaryError(
    'TRIB_FILE',
    `${join(path, ADAPTER_FILE)}: expected the adapter of a run that ended or was stopped, got no such file. Resume the run, or name the adapter of one of its checkpoints.`,
  );
}

/** Whether a path is a folder. */
export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** Whether a path exists. */
export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** In a checkpoint, the moving average of policies that is evaluated and shipped. */
export const EMA_FILE = 'ema.safetensors';
export const ADAPTER_FILE = 'pytorch_lora_weights.safetensors';
/** Where all weights are trained, there is no adapter: the name that diffusers gives the weights of a UNet. */
export const WEIGHTS_FILE = 'diffusion_pytorch_model.safetensors';
