/** @file Parses the names of an adapter's tensors, in every style in use. */
import { isOfDenoiser, SD3_NAMES, UNET_NAMES, withoutComponent } from './component-names.js';
import { fromKohya, KOHYA_COMPONENTS } from './kohya.js';
import { fromSgm, UNDERSCORED_SGM_NAMES } from './sgm-names.js';

export interface TensorName {
  /** Component and module, such as `unet.mid_block.attentions.0.proj_in`. */
  readonly key: string;
  readonly part: Part;
}

/** `mid` is the middle one of a convolution in three parts (LoCon), `bias` that of B, `magnitude` of DoRA in PEFT. */
export type Part = 'A' | 'B' | 'alpha' | 'mid' | 'bias' | 'magnitude' | 'ia3' | (typeof NAMED_PARTS)[number];

/** What LyCORIS and ComfyUI write, under these names. */
const NAMED_PARTS = [
  ...(['hada_w1_a', 'hada_w1_b', 'hada_w2_a', 'hada_w2_b', 'hada_t1', 'hada_t2'] as const),
  ...(['lokr_w1', 'lokr_w1_a', 'lokr_w1_b', 'lokr_w2', 'lokr_w2_a', 'lokr_w2_b', 'lokr_t2'] as const),
  ...(['dora_scale', 'diff', 'diff_b', 'w_norm', 'b_norm', 'set_weight', 'on_input'] as const),
] as const;

/** Endings of names. PEFT puts the name of the adapter behind A and B, unless it saves without. */
const ENDINGS: readonly (readonly [RegExp, Part])[] = [
  [/\.lora_A(?:\.\w+)?\.weight$/, 'A'],
  [/\.lora_B(?:\.\w+)?\.weight$/, 'B'],
  [/\.(?:lora_|lora\.|lora_linear_layer\.)down\.weight$/, 'A'],
  [/\.(?:lora_|lora\.|lora_linear_layer\.)up\.weight$/, 'B'],
  [/\.lora_mid\.weight$/, 'mid'],
  [/\.alpha$/, 'alpha'],
  [/\.(?:lora_B(?:\.\w+)?|lora_up|lora\.up)\.bias$/, 'bias'],
  [/\.lora_magnitude_vector(?:\.\w+)?$/, 'magnitude'],
  ...NAMED_PARTS.map((part) => [new RegExp(`\\.${part}$`), part] as const),
  // Only where the module is one word, as in kohya's style: elsewhere this is any weight.
  [/(?<=^(?:lora|lycoris)_\w+)\.weight$/, 'ia3'],
];
const BARE_PEFT = /^(?:(?:unet|transformer)\.)?base_model\.model\./;
/** Layers of attention in diffusers before 0.22: `...attn1.processor.to_q_lora.down.weight`; of CLIP, `...self_attn.to_q_lora`. */
const PROCESSOR = /^(.+?)(\.processor|\.self_attn)\.to_(q|k|v|out)_lora\.(down|up)\.weight$/;

/**
 * Parses a tensor's name; undefined if it is none of these:
 * - diffusers and PEFT: `unet.<module>.lora_A.weight`, `lora_B`; in a bare PEFT model, `base_model.model.<module>...`;
 *   for SD 3 `transformer.<module>...`
 * - kohya: `lora_unet_<module>.lora_down.weight`, `.lora_up.weight`, `.alpha`; with SGM's names of modules for SDXL
 * - OneTrainer: `unet.<SGM's module>...`, `lora_unet.<module>...`, `clip_l.<module>...`
 * - diffusers before PEFT: `unet.<module>.lora.down.weight`, and its attention processors
 * - ComfyUI: `diffusion_model.<SGM's module>...`, `text_encoders.clip_l.transformer.<module>...`; or no component at all
 */
export function parseTensorName(name: string): TensorName | undefined {
  const [, owner, kind, projection, direction] = PROCESSOR.exec(name) ?? [];
  if (owner !== undefined) {
    const ofText = kind === '.self_attn';
    const module = ofText
      ? `self_attn.${projection}_proj`
      : projection === 'out'
        ? 'to_out.0'
        : `to_${projection}`;
    const key = ofText
      ? keyOf(`${owner}.${module}`)
      : `${UNET_NAMES.component}.${withoutComponent(owner)}.${module}`;
    return key === undefined ? undefined : { key, part: direction === 'down' ? 'A' : 'B' };
  }
  const [ending, part] = ENDINGS.find(([pattern]) => pattern.test(name)) ?? [];
  if (ending === undefined || part === undefined || OF_OTHERS.test(name)) return undefined;
  const key = keyOf(name.replace(ending, ''));
  return key === undefined ? undefined : { key, part };
}

/** Whether a tensor is named as in a model that PEFT wrapped, whichever component of a pipeline that is. */
export const isBarePeft = (name: string): boolean => BARE_PEFT.test(name);

/** Other first parts of a path, and the component that they stand for. */
const PREFIXES: readonly (readonly [RegExp, string])[] = [
  [/^(?:model\.)?diffusion_model\./, UNET_NAMES.component],
  [/^(?:text_encoders\.)?clip_[lh]\.(?:transformer\.)?/, 'text_encoder'],
  [/^(?:text_encoders\.)?clip_g\.(?:transformer\.)?/, 'text_encoder_2'],
  [/^text_encoder_1\./, 'text_encoder'],
  [/^(?=text_model\.)/, 'text_encoder'],
  ...Object.entries(KOHYA_COMPONENTS).map(
    ([prefix, component]) => [new RegExp(`^${prefix}\\.`), component] as const,
  ),
];
/** Modules at the top of the transformer of SD 3. */
const TOP_OF_SD3 = `(?:${SD3_NAMES.topModules.join('|')})\\.`;
const OF_SD3 = new RegExp(`^(?:${SD3_NAMES.component}\\.)?${TOP_OF_SD3}`);
/** Modules at the top of a UNet. */
const TOP = new RegExp(`^(?:${[...UNET_NAMES.topModules, ...UNDERSCORED_SGM_NAMES, 'out'].join('|')})\\.`);

function keyOf(module: string): string | undefined {
  if (!module.includes('.') && !TOP.test(`${module}.`)) {
    const key = fromKohya(module);
    return key && inDiffusers(key);
  }
  const path = module.replace(BARE_PEFT, '');
  const [prefix, component] = PREFIXES.find(([pattern]) => pattern.test(path)) ?? [];
  if (prefix !== undefined) return inDiffusers(path.replace(prefix, `${component}.`));
  if (OF_SD3.test(`${path}.`)) return `${SD3_NAMES.component}.${withoutComponent(path)}`;
  if (/^text_encoder(_2)?\../.test(path) || isOfDenoiser(path)) return inDiffusers(path);
  return TOP.test(`${path}.`) || BARE_PEFT.test(module)
    ? inDiffusers(`${UNET_NAMES.component}.${path}`)
    : undefined;
}

/** The key under the names that diffusers and transformers 4 give to modules; transformers 5 leaves out `text_model`. */
const inDiffusers = (key: string): string =>
  isOfDenoiser(key)
    ? `${UNET_NAMES.component}.${fromSgm(withoutComponent(key))}`
    : key.replace(/^(text_encoder(?:_2)?)\.(?=encoder\.|embeddings\.|final_layer_norm)/, '$1.text_model.');

/** What a tensor with another name belongs to, and why it cannot be used; undefined if that is unknown. */
export function foreignKind(name: string): string | undefined {
  return FOREIGN.find(([pattern]) => pattern.test(name))?.[1];
}

/** Layers of models that are none of the denoisers here, whatever the style. */
const OF_OTHERS =
  /^transformer\.(?!(?:base_model\.model\.)?(?:transformer_blocks|pos_embed|time_text_embed|context_embedder|norm_out|proj_out)\.)|^lora_transformer|(?:^|[._])(?:double|single|joint)_(?:transformer_)?blocks[._]|^(?:lora_unet_|lycoris_|(?:model\.)?diffusion_model\.)(?:transformer_)?(?:blocks|layers)[._]|^lora_(?:prior|te3|vae|controlnet)_|^lllite|^lora_unet_.*motion_modules|motion_modules\.|^(?:ip_adapter|image_proj)\./;

export const CHECKPOINT = 'a whole checkpoint';

const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [/\.ia3_l/, 'IA³ of PEFT (scaled activations), which is not LoRA'],
  [/\.oft_|\.boft_/, 'OFT (rotated weights), which is not LoRA'],
  [/\.[ab][12]\.weight$/, 'GLoRA, which is not LoRA'],
  [/\.vera_|\.hra_u/, 'VeRA or HRA, which is not LoRA'],
  [/lora_embedding_[AB]/, 'an adapter of token embeddings'],
  [/_custom_diffusion\./, 'Custom Diffusion (whole projections of attention), which is not LoRA'],
  [/^lllite/, 'ControlNet-LLLite, which needs a picture as its input'],
  [/^(ip_adapter|image_proj)\./, 'an IP-Adapter, which needs a picture as its input'],
  [/motion_modules/, 'a motion module of AnimateDiff, for videos'],
  [/^lora_controlnet|^control_model\.|input_hint_block/, 'a ControlNet, which needs a picture as its input'],
  [/^lora_vae_/, 'layers of a VAE'],
  [/^lora_(prior|te3)_/, 'layers of Stable Cascade or Stable Diffusion 3'],
  [/^(first_stage_model|model\.diffusion_model|cond_stage_model|conditioner)\./, CHECKPOINT],
  [/^bundle_emb\./, 'a token embedding inside of the adapter (OneTrainer)'],
  [
    /^(emb_params|clip_[lg])$|^<[^>]*>$|^string_to_param/,
    'an embedding of tokens (textual inversion), which is not an adapter: name it with --embedding or in model.embeddings',
  ],
  [
    OF_OTHERS,
    'an adapter of a transformer that is not built (FLUX, PixArt and others), or of SD 3 in another style than diffusers and PEFT',
  ],
];
