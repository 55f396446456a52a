/** @file A text encoder of one layer that is as wide as a large UNet needs it, of random weights. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clipTextModel, readClipTextConfig } from '../dist/models/networks/clip-text-model.js';
import { writeRandom } from './random-weights.mjs';

/** Tokens of a prompt, as all of Stable Diffusion's text encoders have them. */
export const TOKENS = 77;

/** Width of a head, in each of the published text encoders. */
const HEAD = 64;

/** Changes the text encoder in `folder`; `more` are other keys of its config, `file` and `dtype` those of the weights. */
export async function widenTextEncoder(
  folder,
  width,
  { more = {}, file = 'model.safetensors', dtype = 'F32' } = {},
) {
  const path = join(folder, 'config.json');
  const wide = {
    ...JSON.parse(await readFile(path, 'utf8')),
    hidden_size: width,
    intermediate_size: width,
    num_attention_heads: width / HEAD,
    num_hidden_layers: 1,
    ...more,
  };
  await writeFile(path, JSON.stringify(wide, null, 2));
  const config = await readClipTextConfig(path);
  await writeRandom(join(folder, file), (layer) => clipTextModel(layer, config, TOKENS), dtype);
}
