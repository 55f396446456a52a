/** @file The configs that a one-file checkpoint implies: sizes from the shapes of its tensors, the rest from its family. */
import { TributaryError } from '../../errors.js';
import type { TensorViews } from '../networks/component-weights.js';
import { NUM_TIME_IDS } from '../networks/unet-config.js';
import type { CheckpointFamily, EncoderPlace, Prediction } from './checkpoint-families.js';

/** What `save_pretrained` would write, key by key. */
export type ConfigJson = Readonly<Record<string, unknown>>;

/** The version of diffusers whose form the configs have. */
export const DIFFUSERS = { _diffusers_version: '0.42.1' };

/** Features of a head where a family does not fix their number. */
const HEAD_FEATURES = 64;
/** Layers of OpenCLIP's ViT-H that a pipeline uses, of 24. */
const VIT_H_LAYERS = 23;

/** Reads sizes from shapes. */
export class Shapes {
  constructor(
    /** The file, for messages. */
    private readonly path: string,
    private readonly views: TensorViews,
  ) {}

  hasAxis(name: string, axis: number): boolean {
    return this.views.get(name)?.shape[axis] !== undefined;
  }

  has(name: string): boolean {
    return this.views.has(name);
  }

  /** Size of one axis. Errors: TRIB_MODEL if there is no such tensor, or it has no such axis. */
  size(name: string, axis: number): number {
    const size = this.views.get(name)?.shape[axis];
    if (size !== undefined) return size;
    const got = this.has(name) ? `[${this.views.get(name)?.shape.join(', ')}]` : 'none';
    const text = `${this.path}: expected a tensor "${name}" (as diffusers names it) with ${axis + 1} axes or more, got ${got}. The file lacks a part of the model: use another one.`;
    throw new TributaryError('TRIB_MODEL', text);
  }

  /** How many numbered parts a module has. */
  count(prefix: string): number {
    let most = -1;
    for (const name of this.views.keys())
      if (name.startsWith(prefix)) most = Math.max(most, Number.parseInt(name.slice(prefix.length), 10));
    return most + 1;
  }
}

const indices = (count: number) => Array.from({ length: count }, (_, index) => index);
const isUniform = (values: readonly unknown[]) => new Set(values).size <= 1;

/** Depths of the transformers of a block, one for each. */
const depthsOf = (shapes: Shapes, block: string) =>
  indices(shapes.count(`${block}.attentions.`)).map((index) =>
    shapes.count(`${block}.attentions.${index}.transformer_blocks.`),
  );
/** One number where all are equal. */
const joined = <Value>(values: readonly Value[]) => (isUniform(values) ? values[0] : values);

/** `unet/config.json`. */
export function impliedUnet(
  shapes: Shapes,
  { numHeads }: CheckpointFamily,
  sampleSize: readonly [number, number],
  pooledWidth: number | null,
): ConfigJson {
  const numLevels = shapes.count('down_blocks.');
  const downs = indices(numLevels).map((level) => `down_blocks.${level}`);
  const ups = indices(numLevels).map((level) => `up_blocks.${level}`);
  const channels = downs.map((down) => shapes.size(`${down}.resnets.0.conv1.weight`, 0));
  const downDepths = downs.map((down) => depthsOf(shapes, down));
  const upDepths = ups.map((up) => depthsOf(shapes, up));
  const [midDepth] = depthsOf(shapes, 'mid_block');
  // A level without attention says nothing; the last one's depth is also that of the middle.
  const depths = downDepths.map((down, level) => {
    const own = joined(down.length > 0 ? down : (upDepths[numLevels - 1 - level] ?? []));
    return own ?? (level === numLevels - 1 ? midDepth : 1) ?? 1;
  });
  const reverseDepths = upDepths.map((up, index) => joined(up) ?? depths[numLevels - 1 - index]);
  const isMirrored = JSON.stringify(depths.toReversed()) === JSON.stringify(reverseDepths);
  const layers = downs.map((down) => shapes.count(`${down}.resnets.`));
  const attention = downDepths.concat(upDepths).findIndex(({ length }) => length > 0);
  const attending = `${[...downs, ...ups][attention] ?? 'down_blocks.0'}.attentions.0`;
  const [height, width] = sampleSize;
  return {
    _class_name: 'UNet2DConditionModel',
    ...DIFFUSERS,
    sample_size: height === width ? height : [height, width],
    in_channels: shapes.size('conv_in.weight', 1),
    out_channels: shapes.size('conv_out.weight', 0),
    down_block_types: downDepths.map(({ length }) => (length > 0 ? 'CrossAttnDownBlock2D' : 'DownBlock2D')),
    mid_block_type: midDepth === undefined ? 'UNetMidBlock2D' : 'UNetMidBlock2DCrossAttn',
    up_block_types: upDepths.map(({ length }) => (length > 0 ? 'CrossAttnUpBlock2D' : 'UpBlock2D')),
    block_out_channels: channels,
    layers_per_block: joined(layers),
    cross_attention_dim: shapes.size(`${attending}.transformer_blocks.0.attn2.to_k.weight`, 1),
    transformer_layers_per_block: isMirrored ? joined(depths) : depths,
    ...(!isMirrored && { reverse_transformer_layers_per_block: reverseDepths }),
    // diffusers calls the number of heads so.
    attention_head_dim: numHeads ?? channels.map((size) => size / HEAD_FEATURES),
    use_linear_projection: !shapes.hasAxis(`${attending}.proj_in.weight`, 2),
    norm_num_groups: 32,
    norm_eps: 1e-5,
    act_fn: 'silu',
    flip_sin_to_cos: true,
    freq_shift: 0,
    ...(pooledWidth !== null && addedEmbeddings(shapes, pooledWidth)),
  };
}

function addedEmbeddings(shapes: Shapes, pooledWidth: number): ConfigJson {
  const width = shapes.size('add_embedding.linear_1.weight', 1);
  return {
    addition_embed_type: 'text_time',
    addition_time_embed_dim: (width - pooledWidth) / NUM_TIME_IDS,
    projection_class_embeddings_input_dim: width,
  };
}

/** `vae/config.json`. */
export function impliedVae(
  shapes: Shapes,
  { scalingFactor, vaeSampleSize }: Pick<CheckpointFamily, 'scalingFactor' | 'vaeSampleSize'>,
): ConfigJson {
  const levels = indices(shapes.count('decoder.up_blocks.'));
  const channels = levels.map((level) => shapes.size(`decoder.up_blocks.${level}.resnets.0.conv1.weight`, 0));
  return {
    _class_name: 'AutoencoderKL',
    ...DIFFUSERS,
    in_channels: 3,
    out_channels: shapes.size('decoder.conv_out.weight', 0),
    latent_channels: shapes.size('decoder.conv_in.weight', 1),
    block_out_channels: channels.toReversed(),
    down_block_types: levels.map(() => 'DownEncoderBlock2D'),
    up_block_types: levels.map(() => 'UpDecoderBlock2D'),
    layers_per_block: shapes.count('decoder.up_blocks.0.resnets.') - 1,
    norm_num_groups: 32,
    act_fn: 'silu',
    sample_size: vaeSampleSize,
    scaling_factor: scalingFactor,
    use_quant_conv: shapes.has('quant_conv.weight'),
    use_post_quant_conv: shapes.has('post_quant_conv.weight'),
    mid_block_add_attention: shapes.count('decoder.mid_block.attentions.') > 0,
  };
}

/** `text_encoder/config.json`. */
export function impliedTextEncoder(shapes: Shapes, { activation, hasProjection }: EncoderPlace): ConfigJson {
  const width = shapes.size('text_model.embeddings.token_embedding.weight', 1);
  return {
    architectures: [hasProjection ? 'CLIPTextModelWithProjection' : 'CLIPTextModel'],
    model_type: 'clip_text_model',
    vocab_size: shapes.size('text_model.embeddings.token_embedding.weight', 0),
    hidden_size: width,
    intermediate_size: shapes.size('text_model.encoder.layers.0.mlp.fc1.weight', 0),
    num_hidden_layers: shapes.count('text_model.encoder.layers.'),
    num_attention_heads: width / HEAD_FEATURES,
    max_position_embeddings: shapes.size('text_model.embeddings.position_embedding.weight', 0),
    hidden_act: activation,
    layer_norm_eps: 1e-5,
    projection_dim: hasProjection ? shapes.size('text_projection.weight', 0) : width,
    bos_token_id: 0,
    eos_token_id: 2,
    pad_token_id: 1,
  };
}

/**
 * How many layers a pipeline uses. SD 2.x was trained on the output of OpenCLIP's last layer but one; files made from a
 * folder of diffusers lack the last one already.
 */
export const usedLayers = (layers: number, dropsLastLayer: boolean) =>
  dropsLastLayer && layers !== VIT_H_LAYERS ? layers - 1 : layers;

/** `scheduler/scheduler_config.json`. */
export const impliedScheduler = (
  className: string,
  prediction: Prediction,
  isZeroSnr: boolean,
): ConfigJson => ({
  _class_name: className,
  ...DIFFUSERS,
  num_train_timesteps: 1000,
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  trained_betas: null,
  prediction_type: prediction,
  timestep_spacing: isZeroSnr ? 'trailing' : 'leading',
  steps_offset: 1,
  set_alpha_to_one: false,
  clip_sample: false,
  rescale_betas_zero_snr: isZeroSnr,
});

/** What a pipeline class is called where its UNet has so many channels in, between the names of family and kind. */
const KINDS: ReadonlyMap<number, string> = new Map([
  [5, 'Depth2Img'],
  [8, 'InstructPix2Pix'],
  [9, 'Inpaint'],
]);

/** `model_index.json`. @param channels that go into the UNet. */
export function impliedIndex(
  { pipelineClass: plainClass, encoders }: CheckpointFamily,
  scheduler: string,
  channels: number,
): ConfigJson {
  const isXl = encoders.length > 1;
  const pipelineClass = plainClass.replace(/Pipeline$/, `${KINDS.get(channels) ?? ''}Pipeline`);
  return {
    _class_name: pipelineClass,
    ...DIFFUSERS,
    feature_extractor: [null, null],
    ...(isXl
      ? {
          force_zeros_for_empty_prompt: true,
          image_encoder: [null, null],
          text_encoder_2: ['transformers', 'CLIPTextModelWithProjection'],
          tokenizer_2: ['transformers', 'CLIPTokenizer'],
        }
      : { requires_safety_checker: false, safety_checker: [null, null] }),
    scheduler: ['diffusers', scheduler],
    text_encoder: ['transformers', 'CLIPTextModel'],
    tokenizer: ['transformers', 'CLIPTokenizer'],
    unet: ['diffusers', 'UNet2DConditionModel'],
    vae: ['diffusers', 'AutoencoderKL'],
  };
}
