/** @file The decoders that are built from safetensors, by the class that their `config.json` names. */

import { type JsonFile, readJsonFile } from '../files/json-file.js';
import { autoencoderKlDecoder, readAutoencoderConfig, upscaling } from './autoencoder-kl-decoder.js';
import { autoencoderTinyDecoder, readAutoencoderTinyConfig } from './autoencoder-tiny-decoder.js';
import { named, objectOf } from './config-fields.js';
import type { Network } from './network-weights.js';

/** A decoder that is built from its config. */
export interface LatentDecoder {
  readonly latentChannels: number;
  /** Latents are divided by it before they are decoded. */
  readonly scalingFactor: number;
  /** Is added to latents after that. */
  readonly shift: number;
  /** How much larger a picture is than its latents. */
  readonly upscaling: number;
  /** Size of the pictures that it was trained on, which large ones are cut into; null where they are decoded whole. */
  readonly sampleSize: number | null;
  /** For latents [B, C, h, w]. */
  readonly network: (latentShape: readonly number[]) => Network;
}

const schema = objectOf({ _class_name: named(['AutoencoderKL', 'AutoencoderTiny']) });
const SUPPORTED =
  'Use the VAE of SD 1.x, SD 2.x or SDXL, or a decoder exported to ONNX (vae_decoder/model.onnx).';

/** Reads `vae/config.json`. Errors: TRIB_MODEL, naming the file, the key and what is supported. */
export async function readLatentDecoder(path: JsonFile): Promise<LatentDecoder> {
  const json = await readJsonFile(path, schema, { code: 'TRIB_MODEL', nextStep: SUPPORTED });
  if (json._class_name === 'AutoencoderTiny') {
    const config = await readAutoencoderTinyConfig(path);
    const { latentChannels, scalingFactor, shift, upsampling, blocks } = config;
    return {
      latentChannels,
      scalingFactor,
      shift,
      upscaling: upsampling ** (blocks.length - 1),
      sampleSize: null,
      network: (shape) => (layer) => autoencoderTinyDecoder(layer, config, shape),
    };
  }
  const config = await readAutoencoderConfig(path);
  const { latentChannels, scalingFactor, shift, sampleSize } = config;
  return {
    latentChannels,
    scalingFactor,
    shift,
    upscaling: upscaling(config),
    sampleSize,
    network: (shape) => (layer) => autoencoderKlDecoder(layer, config, shape),
  };
}
