/**
 * @file Names of a UNet's modules in the code that Stable Diffusion came with (LDM, later SGM), and in diffusers. Trainers of
 * SDXL use the former.
 */

/** Residual blocks on a level; the same in every published model that is trained under these names. */
const LAYERS_PER_BLOCK = 2;
/** What follows the residual blocks and attention layers of a level. */
const ENTRIES_PER_BLOCK = LAYERS_PER_BLOCK + 1;

const OUTSIDE_BLOCKS: Readonly<Record<string, string>> = {
  'time_embed.0': 'time_embedding.linear_1',
  'time_embed.2': 'time_embedding.linear_2',
  'label_emb.0.0': 'add_embedding.linear_1',
  'label_emb.0.2': 'add_embedding.linear_2',
  'input_blocks.0.0': 'conv_in',
  'out.0': 'conv_norm_out',
  'out.2': 'conv_out',
};
const IN_RESNET: Readonly<Record<string, string>> = {
  'in_layers.0': 'norm1',
  'in_layers.2': 'conv1',
  'emb_layers.1': 'time_emb_proj',
  'out_layers.0': 'norm2',
  'out_layers.3': 'conv2',
  skip_connection: 'conv_shortcut',
};
const BLOCK = /^(input_blocks|output_blocks)\.(\d+)\.(\d+)\.(.+)$/;
const MIDDLE = /^middle_block\.([012])\.(.+)$/;

/** Names of modules with an underscore; see `DenoiserNames`. */
export const UNDERSCORED_SGM_NAMES = [
  ...['input_blocks', 'middle_block', 'output_blocks', 'time_embed', 'label_emb'],
  ...['in_layers', 'emb_layers', 'out_layers', 'skip_connection'],
] as const;

/** `input_blocks.4.1.proj_in` -> `down_blocks.1.attentions.0.proj_in`; any other path as it is. */
export function fromSgm(path: string): string {
  const outside = OUTSIDE_BLOCKS[path];
  if (outside !== undefined) return outside;
  const [, middle, ofMiddle] = MIDDLE.exec(path) ?? [];
  if (ofMiddle !== undefined) {
    if (middle === '1') return `mid_block.attentions.0.${ofMiddle}`;
    return `mid_block.resnets.${middle === '0' ? 0 : 1}.${ofResnet(ofMiddle)}`;
  }
  const [, side, entry, place, rest] = BLOCK.exec(path) ?? [];
  if (rest === undefined) return path;
  const isDown = side === 'input_blocks';
  const index = Number(entry) - (isDown ? 1 : 0);
  const [block, layer] = [Math.floor(index / ENTRIES_PER_BLOCK), index % ENTRIES_PER_BLOCK];
  const parent = `${isDown ? 'down' : 'up'}_blocks.${block}`;
  if (rest === 'op') return `${parent}.downsamplers.0.conv`;
  // Without attention on its level, the convolution after upsampling comes second instead of third.
  if (rest === 'conv') return `${parent}.upsamplers.0.conv`;
  return place === '0'
    ? `${parent}.resnets.${layer}.${ofResnet(rest)}`
    : `${parent}.attentions.${layer}.${rest}`;
}

const ofResnet = (path: string) => IN_RESNET[path] ?? path;
