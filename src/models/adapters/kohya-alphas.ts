/** @file What diffusers makes of the alphas in a file of kohya's style. */
import { type LoraLayer, someOf } from './lora-layer.js';

/** The projections whose names diffusers converts to those of attention processors, where it then does not find them. */
const ATTENTION = /\.attn\d\.(to_[qkv]|to_out\.0)$/;

/**
 * Says which layers have another strength in diffusers, or null where none has. diffusers 0.42.1 gives every layer the most
 * frequent alpha of the file, and layers with another one their own, except those of attention.
 */
export function alphasThatDiffusersLoses(layers: readonly LoraLayer[]): string | null {
  const counts = new Map<number, number>();
  for (const { alpha } of layers) counts.set(alpha, (counts.get(alpha) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const frequent = [...counts].filter(([, count]) => count === most).map(([alpha]) => alpha);
  // Of several that are as frequent, the order of the tensors decides.
  const lost = layers.filter(
    ({ key, alpha }) => ATTENTION.test(key) && frequent.some((other) => other !== alpha),
  );
  if (lost.length === 0) return null;
  return (
    `diffusers 0.42.1 does not read the alpha of attention layers in the style of kohya: it takes ${frequent.join(' or ')}, the most frequent of the file, ` +
    `for ${lost.length} with another: ${someOf(lost.map(({ key, alpha }) => `${key} (${alpha})`))}. ` +
    'ComfyUI and AUTOMATIC1111 read each. For diffusers write it with --format peft.'
  );
}
