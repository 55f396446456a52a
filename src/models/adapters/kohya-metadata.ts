/**
 * @file The metadata of a file in kohya's style: the fields that sd-scripts always writes (SS_METADATA_MINIMUM_KEYS of its
 * library/train_util.py) and ModelSpec 1.0.1. No date: equal adapters give equal bytes. The base model is named where it is
 * known.
 */
import type { LoraLayer } from './lora-layer.js';

/** Width of the prompt's embeddings of Stable Diffusion 1.x, by which its adapters are known. */
const WIDTH_OF_SD_V1 = 768;

/** @param title - `modelspec.title`: a name for people. @param modelHash - SHA-256 of the tensors' bytes, in hex. */
export function kohyaMetadata(
  layers: readonly LoraLayer[],
  { title, modelHash }: { readonly title: string; readonly modelHash: string },
): Record<string, string> {
  const isWide = ({ kernel }: LoraLayer) => kernel?.some((size) => size > 1) ?? false;
  const first = layers.find((layer) => !isWide(layer)) ?? layers[0];
  const wide = layers.find(isWide);
  const isV1 = embedsWidth(layers) === WIDTH_OF_SD_V1;
  return {
    format: 'pt',
    ss_network_module: 'networks.lora',
    ss_network_dim: `${first?.rank}`,
    ss_network_alpha: `${first?.alpha}`,
    ss_network_args: JSON.stringify(wide ? { conv_dim: `${wide.rank}`, conv_alpha: `${wide.alpha}` } : {}),
    ...(isV1 && { ss_base_model_version: 'sd_v1', ss_v2: 'False' }),
    sshs_model_hash: modelHash,
    'modelspec.sai_model_spec': '1.0.1',
    ...(isV1 && { 'modelspec.architecture': 'stable-diffusion-v1/lora' }),
    'modelspec.implementation': 'diffusers',
    'modelspec.title': title,
  };
}

/** Width of what cross-attention reads; undefined where no such layer is adapted. */
function embedsWidth(layers: readonly LoraLayer[]): number | undefined {
  const layer = layers.find(({ key }) => key.startsWith('unet.') && /\.attn2\.to_[kv]$/.test(key));
  return layer && layer.loraA.length / layer.rank;
}
