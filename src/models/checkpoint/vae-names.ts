/** @file The names of an autoencoder's tensors in LDM, and those of diffusers, which a file of it alone may have too. */
import { stat } from 'node:fs/promises';
import type { TensorView, TensorViews } from '../networks/component-weights.js';

/** In order; each but the last two is found at most once in a name. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/\.norm_out\./, '.conv_norm_out.'],
  [/\.mid\.block_1\./, '.mid_block.resnets.0.'],
  [/\.mid\.block_2\./, '.mid_block.resnets.1.'],
  [/\.mid\.attn_1\.norm\./, '.mid_block.attentions.0.group_norm.'],
  [/\.mid\.attn_1\.proj_out\./, '.mid_block.attentions.0.to_out.0.'],
  [/\.mid\.attn_1\.([qkv])\./, '.mid_block.attentions.0.to_$1.'],
  [/\.down\.(\d+)\.block\.(\d+)\./, '.down_blocks.$1.resnets.$2.'],
  [/\.down\.(\d+)\.downsample\./, '.down_blocks.$1.downsamplers.0.'],
  [/\.nin_shortcut\./, '.conv_shortcut.'],
];
const UP = /^decoder\.up\.(\d+)\.(block\.(\d+)|upsample)\./;
/** What else training leaves there: the discriminator, and averages of the weights. */
const NO_WEIGHTS = /^(loss|model_ema)\./;
/** Matrices that LDM stores as 1x1 convolutions. */
const MATRIX = /\.mid_block\.attentions\.0\.(to_|query|key|value|proj_attn).*\.weight$/;

/** Returns an autoencoder's tensors under the names of diffusers. */
export function vaeViews(tensors: TensorViews): TensorViews {
  const levels = [...tensors.keys()].map((name) => Number(UP.exec(name)?.[1] ?? -1));
  const finest = levels.reduce((a, b) => Math.max(a, b), -1);
  // diffusers counts the levels of the decoder from the coarsest one.
  const upBlock = (_: string, level: string, part: string, index: string | undefined) =>
    `decoder.up_blocks.${finest - Number(level)}.${part === 'upsample' ? 'upsamplers.0' : `resnets.${index}`}.`;
  const views = new Map<string, TensorView>();
  for (const [ldm, view] of tensors) {
    if (NO_WEIGHTS.test(ldm)) continue;
    const name = NAMES.reduce((text, [from, to]) => text.replace(from, to), ldm.replace(UP, upBlock));
    const isKernel = view.shape.length === 4 && view.shape[2] === 1 && view.shape[3] === 1;
    const isMatrix = MATRIX.test(name) && isKernel;
    views.set(name, isMatrix ? { ...view, shape: view.shape.slice(0, 2) } : view);
  }
  return views;
}

/** Returns the path of a VAE beside a checkpoint, `<name>.vae.safetensors`, as AUTOMATIC1111's web UI looks for it. */
export async function findVaeFile(checkpoint: string): Promise<string | null> {
  const path = checkpoint.replace(/\.safetensors$/i, '.vae.safetensors');
  const stats = path === checkpoint ? null : await stat(path).catch(() => null);
  return stats?.isFile() ? path : null;
}
