/** @file What adapter files call the denoisers that they adapt. */

/** The names of a denoiser: those of a row of `DENOISER_FAMILIES`. */
export interface DenoiserNames {
  /** The component of a pipeline: its folder, its key in `model_index.json`, the first part of an adapter's keys. */
  readonly component: string;
  /** What kohya's trainers put before the names of its modules. */
  readonly kohyaPrefix: string;
  /** Names of modules that have an underscore themselves, which in kohya's names stands for dots too. */
  readonly underscoredNames: readonly string[];
}

export const UNET_NAMES = {
  component: 'unet',
  kohyaPrefix: 'lora_unet',
  underscoredNames: [
    ...[
      'down_blocks',
      'mid_block',
      'up_blocks',
      'transformer_blocks',
      'conv_in',
      'conv_out',
      'conv_shortcut',
    ],
    ...['time_embedding', 'add_embedding', 'class_embedding', 'time_emb_proj', 'linear_1', 'linear_2'],
    ...['cond_proj', 'encoder_hid_proj', 'proj_in', 'proj_out', 'to_q', 'to_k', 'to_v', 'to_out'],
    ...['add_k_proj', 'add_v_proj'],
  ],
} as const satisfies DenoiserNames;

export const DENOISER_NAMES: readonly DenoiserNames[] = [UNET_NAMES];

const COMPONENT = new RegExp(`^(?:${DENOISER_NAMES.map(({ component }) => component).join('|')})[./](?=.)`);

/** Says whether a path of a module begins with the component of a denoiser, and not with that of a text encoder. */
export const isOfDenoiser = (path: string): boolean => COMPONENT.test(path);

/** Returns a path without the denoiser's component, where it begins with one: `unet.mid_block` -> `mid_block`. */
export const withoutComponent = (path: string): string => path.replace(COMPONENT, '');
