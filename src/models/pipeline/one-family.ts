/** @file Whether the parts of a pipeline folder belong together, as far as their configs say: before any weights are read. */

import { TributaryError } from '../../errors.js';
import type { AnySchedulerConfig } from '../diffusion/scheduler-config.js';
import type { JsonFile } from '../files/json-file.js';
import type { ClipTextConfig } from '../networks/clip-text-model.js';
import type { DenoiserOnDisk } from '../networks/denoiser-family.js';
import type { LatentDecoder } from '../networks/latent-decoder.js';
import type { T5Config } from '../networks/t5-encoder.js';

/** What of a pipeline folder must fit together. */
interface Parts {
  readonly scheduler: AnySchedulerConfig;
  readonly textEncoders: readonly {
    readonly component: string;
    readonly architecture: ClipTextConfig | null;
  }[];
  readonly t5: { readonly architecture: T5Config } | null;
  readonly denoiser: DenoiserOnDisk;
  readonly vaeDecoder: {
    readonly config: { readonly shift: number };
    readonly architecture: LatentDecoder | null;
  } | null;
}

const NEXT_STEP = 'Take all parts from one model.';

/**
 * Checks what reading a part alone cannot say: that a flow's network comes with a flow's scheduler, that the text encoders
 * of SD 3 give what its transformer takes, and that the decoder takes the latents that are drawn, as they are drawn.
 *
 * Errors: TRIB_MODEL, naming the file and the key.
 * @param jsonOf a JSON file of the folder.
 */
export function requireOneFamily(folder: Parts, jsonOf: (name: string) => JsonFile): void {
  const { scheduler, denoiser, vaeDecoder } = folder;
  const { family, config } = denoiser;
  const fault = (name: string, expected: string, got: unknown) =>
    new TributaryError('TRIB_MODEL', `${jsonOf(name)}: expected ${expected}, got ${got}. ${NEXT_STEP}`);
  if (family.isFlow && scheduler.predictionType !== 'flow') {
    const expected = `a scheduler of a flow, such as FlowMatchEulerDiscreteScheduler, for a ${family.title} of ${family.models}`;
    throw fault('scheduler/scheduler_config.json _class_name', expected, 'one of noise');
  }
  if (family.prompts === 'padded') requireFittingTexts(folder, fault);
  if (!vaeDecoder) return;
  const place = vaeDecoder.architecture ? 'vae/config.json' : 'vae_decoder/config.json';
  const { shift } = vaeDecoder.config;
  if (!family.isFlow && shift !== 0)
    throw fault(`${place} shift_factor`, '0 or null (its latents are not those of the sampler)', shift);
  const channels = vaeDecoder.architecture?.latentChannels ?? config.channels;
  if (channels !== config.channels)
    throw fault(`${place} latent_channels`, `${config.channels}, as the ${family.title} draws`, channels);
}

function requireFittingTexts(
  { textEncoders, t5, denoiser }: Parts,
  fault: (name: string, expected: string, got: unknown) => TributaryError,
): void {
  const { crossAttentionDim, pooledWidth } = denoiser.config;
  const place = `${denoiser.family.component}/config.json`;
  if (t5 && t5.architecture.hiddenSize !== crossAttentionDim) {
    const expected = `${crossAttentionDim}, the joint_attention_dim of the ${denoiser.family.title}`;
    throw fault('text_encoder_3/config.json d_model', expected, t5.architecture.hiddenSize);
  }
  let [width, pooled] = [0, 0];
  for (const { component, architecture } of textEncoders) {
    // What a graph gives is known when it has run.
    if (!architecture) return;
    width += architecture.hiddenSize;
    if (architecture.projectionDim === null)
      throw fault(`${component}/config.json`, 'a CLIPTextModelWithProjection', 'a CLIPTextModel');
    pooled += architecture.projectionDim;
  }
  if (width > crossAttentionDim) {
    const expected = `at least ${width}, the width of both text encoders together`;
    throw fault(`${place} joint_attention_dim`, expected, crossAttentionDim);
  }
  if (pooled !== pooledWidth) {
    const expected = `${pooled}, the pooled embeddings of both text encoders together`;
    throw fault(`${place} pooled_projection_dim`, expected, pooledWidth);
  }
}
