/**
 * @file The names of a UNet's tensors in LDM and SGM (`input_blocks.4.1`), and those of diffusers
 * (`down_blocks.1.attentions.0`). LDM counts blocks through all resolutions, so the places follow from the modules there are.
 */

/** Modules outside of the blocks. */
const OUTSIDE: readonly (readonly [string, string])[] = [
  ['time_embed.0', 'time_embedding.linear_1'],
  ['time_embed.2', 'time_embedding.linear_2'],
  ['label_emb.0.0', 'add_embedding.linear_1'],
  ['label_emb.0.2', 'add_embedding.linear_2'],
  ['input_blocks.0.0', 'conv_in'],
  ['out.0', 'conv_norm_out'],
  ['out.2', 'conv_out'],
];

/** Modules of a residual block. */
const RESIDUAL: readonly (readonly [string, string])[] = [
  ['in_layers.0', 'norm1'],
  ['in_layers.2', 'conv1'],
  ['emb_layers.1', 'time_emb_proj'],
  ['out_layers.0', 'norm2'],
  ['out_layers.3', 'conv2'],
  ['skip_connection', 'conv_shortcut'],
];

/** Returns the names of diffusers for those of LDM; a name of no known module stays. */
export function unetNames(names: Iterable<string>): ReadonlyMap<string, string> {
  const all = [...names];
  const modules = modulePlaces(all);
  return new Map(all.map((name) => [name, renamed(name, modules)]));
}

function renamed(name: string, modules: ReadonlyMap<string, string>): string {
  for (let end = name.lastIndexOf('.'); end > 0; end = name.lastIndexOf('.', end - 1)) {
    const module = modules.get(name.slice(0, end));
    if (module !== undefined) return module + name.slice(end);
  }
  return name;
}

function modulePlaces(names: readonly string[]): ReadonlyMap<string, string> {
  const there = new Set(
    names.flatMap((name) => {
      const parts = name.split('.');
      return parts.map((_, index) => parts.slice(0, index).join('.'));
    }),
  );
  const places = new Map(OUTSIDE);
  const residual = (from: string, to: string) => {
    for (const [ldm, diffusers] of RESIDUAL) places.set(`${from}.${ldm}`, `${to}.${diffusers}`);
  };
  /** A residual block, and the attention that may follow it. */
  const block = (from: string, to: string, index: number) => {
    residual(`${from}.0`, `${to}.resnets.${index}`);
    if (there.has(`${from}.1.transformer_blocks`)) places.set(`${from}.1`, `${to}.attentions.${index}`);
  };
  for (let number = 1, level = 0, index = 0; there.has(`input_blocks.${number}`); number++) {
    const [from, to] = [`input_blocks.${number}`, `down_blocks.${level}`];
    if (there.has(`${from}.0.op`)) {
      places.set(`${from}.0.op`, `${to}.downsamplers.0.conv`);
      level++;
      index = 0;
    } else block(from, to, index++);
  }
  block('middle_block', 'mid_block', 0);
  residual('middle_block.2', 'mid_block.resnets.1');
  for (let number = 0, level = 0, index = 0; there.has(`output_blocks.${number}`); number++) {
    const [from, to] = [`output_blocks.${number}`, `up_blocks.${level}`];
    block(from, to, index++);
    const upsampler = [`${from}.1.conv`, `${from}.2.conv`].find((module) => there.has(module));
    if (upsampler === undefined) continue;
    places.set(upsampler, `${to}.upsamplers.0.conv`);
    level++;
    index = 0;
  }
  return places;
}
