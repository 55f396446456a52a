/**
 * @file Module paths as kohya's trainers write them: `down_blocks.0.attentions.0` as `lora_unet_down_blocks_0_attentions_0`.
 * An underscore may be a dot or a part of a name; which of both is known from the names that diffusers gives its modules.
 */

/** Components of a pipeline by kohya's prefix. `lora_te` is the only text encoder, `lora_te1` the first of two. */
const COMPONENTS = {
  lora_unet: 'unet',
  lora_te: 'text_encoder',
  lora_te1: 'text_encoder',
  lora_te2: 'text_encoder_2',
} as const;

/** Names of modules with an underscore in them: diffusers' UNet2DConditionModel, transformers' CLIPTextModel. */
const NAMES_WITH_UNDERSCORES = [
  ...['down_blocks', 'mid_block', 'up_blocks', 'transformer_blocks', 'conv_in', 'conv_out', 'conv_shortcut'],
  ...['time_embedding', 'add_embedding', 'class_embedding', 'time_emb_proj', 'linear_1', 'linear_2'],
  ...['cond_proj', 'encoder_hid_proj', 'proj_in', 'proj_out', 'to_q', 'to_k', 'to_v', 'to_out'],
  ...['add_k_proj', 'add_v_proj', 'text_model', 'self_attn', 'q_proj', 'k_proj', 'v_proj', 'out_proj'],
].map((name) => name.split('_'));

/** `lora_unet_mid_block_attentions_0_proj_in` -> `unet.mid_block.attentions.0.proj_in`; undefined without a known prefix. */
export function fromKohya(name: string): string | undefined {
  const [, prefix, rest] = /^(lora_unet|lora_te[12]?)_(.+)$/.exec(name) ?? [];
  if (prefix === undefined || rest === undefined) return undefined;
  return `${COMPONENTS[prefix as keyof typeof COMPONENTS]}.${pathOf(rest.split('_'))}`;
}

/** The inverse of `fromKohya`; undefined where it would not come back as it is. */
export function toKohya(key: string): string | undefined {
  const [component, ...path] = key.split('.');
  const prefix = Object.entries(COMPONENTS).find(([, name]) => name === component)?.[0];
  const name = `${prefix}_${path.join('_')}`;
  return fromKohya(name) === key ? name : undefined;
}

/** Words become a path: as many of them one name as a known name has, else each its own. */
function pathOf(words: readonly string[]): string {
  const path: string[] = [];
  let at = 0;
  while (at < words.length) {
    const lengths = NAMES_WITH_UNDERSCORES.filter((name) => name.every((word, i) => words[at + i] === word));
    const length = Math.max(1, ...lengths.map((name) => name.length));
    path.push(words.slice(at, at + length).join('_'));
    at += length;
  }
  return path.join('.');
}
