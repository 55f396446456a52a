/** @file The names of denoisers in adapter files. */

/** The names of one denoiser, for a row of `DENOISER_FAMILIES`. */
export interface DenoiserNames {
  /** The pipeline's component: its folder, its key in `model_index.json`, and the first part of an adapter's keys. */
  readonly component: string;
  /** Prefix of its modules in kohya's trainers; null where these have other names of modules, which are not read. */
  readonly kohyaPrefix: string | null;
  /** Names of modules that contain an underscore, which in kohya's names also stands for a dot. */
  readonly underscoredNames: readonly string[];
  /** The first modules of its paths. */
  readonly topModules: readonly string[];
}

export const UNET_NAMES = {
  component: 'unet',
  kohyaPrefix: 'lora_unet',
  underscoredNames: [
    ...['down_blocks', 'mid_block', 'up_blocks', 'transformer_blocks', 'conv_in', 'conv_out'],
    ...['time_embedding', 'add_embedding', 'class_embedding', 'time_emb_proj', 'linear_1', 'linear_2'],
    ...['cond_proj', 'encoder_hid_proj', 'proj_in', 'proj_out', 'to_q', 'to_k', 'to_v', 'to_out'],
    ...['add_k_proj', 'add_v_proj', 'conv_shortcut', 'conv_norm_out'],
  ],
  topModules: [
    ...['down_blocks', 'mid_block', 'up_blocks', 'conv_in', 'conv_out', 'conv_norm_out'],
    ...['time_embedding', 'add_embedding'],
  ],
} as const satisfies DenoiserNames;

/** SD3Transformer2DModel. */
export const SD3_NAMES = {
  component: 'transformer',
  kohyaPrefix: null,
  underscoredNames: [],
  topModules: [
    ...['transformer_blocks', 'pos_embed', 'time_text_embed', 'context_embedder', 'norm_out', 'proj_out'],
  ],
} as const satisfies DenoiserNames;

export const DENOISER_NAMES: readonly DenoiserNames[] = [UNET_NAMES, SD3_NAMES];

const COMPONENT = new RegExp(`^(?:${DENOISER_NAMES.map(({ component }) => component).join('|')})[./](?=.)`);

/** Whether the path of a module begins with the component of a denoiser rather than that of a text encoder. */
export const isOfDenoiser = (path: string): boolean => COMPONENT.test(path);

const TEXT_ENCODER = /^text_encoder(?:_2)?\.(?=.)/;

/** Whether the path of a module begins with the component of a text encoder. */
export const isOfTextEncoder = (path: string): boolean => TEXT_ENCODER.test(path);

/** Removes the denoiser's component, if any, from a path: `unet.mid_block` -> `mid_block`. */
export const withoutComponent = (path: string): string => path.replace(COMPONENT, '');
