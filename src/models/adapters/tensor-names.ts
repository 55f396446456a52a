/** @file Parses the names of an adapter's tensors, in every style in use. */
import { isOfDenoiser, UNET_NAMES, withoutComponent } from './component-names.js';
import { fromKohya } from './kohya.js';

export interface TensorName {
  /** Component and module, such as `unet.mid_block.attentions.0.proj_in`. */
  readonly key: string;
  readonly part: 'A' | 'B' | 'alpha';
}

const PARTS: Readonly<Record<string, TensorName['part']>> = {
  'lora_A.weight': 'A',
  'lora_A.default.weight': 'A',
  'lora_B.weight': 'B',
  'lora_B.default.weight': 'B',
  'lora.down.weight': 'A',
  'lora.up.weight': 'B',
  'lora_down.weight': 'A',
  'lora_up.weight': 'B',
  alpha: 'alpha',
};
const ENDING =
  /^(.+?)\.(lora_[AB](?:\.default)?\.weight|lora\.(?:down|up)\.weight|lora_(?:down|up)\.weight|alpha)$/;
const BARE_PEFT = /^base_model\.model\./;
/** Attention processors in diffusers before 0.22: `...attn1.processor.to_q_lora.down.weight`. */
const PROCESSOR = /^(.+)\.processor\.to_(q|k|v|out)_lora\.(down|up)\.weight$/;

/**
 * Parses a tensor's name; undefined if it is none of these:
 * - diffusers and PEFT: `unet.<module>.lora_A.weight`, `lora_B`; in a bare PEFT model, `base_model.model.<module>...`
 * - kohya: `lora_unet_<module>.lora_down.weight`, `.lora_up.weight`, `.alpha`
 * - diffusers before PEFT: `unet.<module>.lora.down.weight`, and its attention processors
 */
export function parseTensorName(name: string): TensorName | undefined {
  const [, owner, projection, direction] = PROCESSOR.exec(name) ?? [];
  if (owner !== undefined) {
    const module = projection === 'out' ? 'to_out.0' : `to_${projection}`;
    const key = `${UNET_NAMES.component}.${withoutComponent(owner)}.${module}`;
    return { key, part: direction === 'down' ? 'A' : 'B' };
  }
  const [, module, ending] = ENDING.exec(name) ?? [];
  if (module === undefined || ending === undefined) return undefined;
  const [part, key] = [PARTS[ending], keyOf(module)];
  return key === undefined || part === undefined ? undefined : { key, part };
}

/** Whether a tensor is named as in a model that PEFT wrapped, whichever component of a pipeline that is. */
export const isBarePeft = (name: string): boolean => BARE_PEFT.test(name);

function keyOf(module: string): string | undefined {
  if (!module.includes('.')) return fromKohya(module);
  const bare = module.replace(BARE_PEFT, `${UNET_NAMES.component}.`);
  return /^text_encoder(_2)?\../.test(bare) || isOfDenoiser(bare) ? bare : undefined;
}

/** What a tensor with another name belongs to, and why it cannot be used; undefined if that is unknown. */
export function foreignKind(name: string): string | undefined {
  return FOREIGN.find(([pattern]) => pattern.test(name))?.[1];
}

const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [/\.hada_[wt]/, 'LoHa (a product of two adapters), which is not LoRA'],
  [/\.lokr_/, 'LoKr (a Kronecker product), which is not LoRA'],
  [/\.(dora_scale|lora_magnitude_vector)/, 'DoRA (scaled weights), which is not LoRA'],
  [/\.(lora_mid|cp_mid)/, 'a convolution in three parts (Tucker), not two'],
  [/\.(diff|diff_b)$/, 'full differences of weights, which is not LoRA'],
  [/\.lora_bias|lora_B\.bias|lora_up\.bias/, 'a bias'],
  [/^(first_stage_model|model\.diffusion_model|cond_stage_model)\./, 'a whole checkpoint'],
];
