/** @file The aesthetic score of LAION, as DDPO and DPOK use it: how much people like a picture, whatever the prompt. */

import { fileURLToPath } from 'node:url';
import { TributaryError } from '../../../errors.js';
import { filePath } from '../../../fields.js';
import { runsOn } from '../contract/reward-scorer.js';
import { batchSizeField, defineRewardSource } from '../contract/reward-source.js';
import { readAestheticHead } from '../encoders/aesthetic-head.js';
import { widthOf } from '../encoders/exported-graph.js';
import { openImageEncoder } from '../encoders/image-encoder.js';

/** The head shipped with this program. */
const SHIPPED_HEAD = fileURLToPath(
  new URL('../../../../models/aesthetic/linear-mse.safetensors', import.meta.url),
);

/** r = head(f(picture)), f the image features of CLIP ViT-L/14, of length 1 (ddpo-pytorch, aesthetic_scorer.py). */
export const aesthetic = defineRewardSource({
  name: 'aesthetic',
  summary:
    "LAION's aesthetic score, a linear head on image features of CLIP ViT-L/14, usually between 4 and 7. The prompt does not matter.",
  fields: {
    model: filePath('the folder of a CLIP ViT-L/14', 'folder').describe(
      'Folder of an exported CLIP ViT-L/14; the vision half is enough: vision_model.onnx or model.onnx, in the folder or its onnx/, and preprocessor_config.json.',
    ),
    head: filePath('the path of a safetensors file', 'file')
      .optional()
      .describe('Another head, as layers.N.weight and layers.N.bias. Default: the head of LAION.'),
    batchSize: batchSizeField('Images that the model sees in one run,'),
  },
  async create({ model, head: headPath = SHIPPED_HEAD, batchSize }, { engine, imageShape }) {
    const head = await readAestheticHead(headPath);
    const vision = await openImageEncoder(engine(), model, batchSize, imageShape);
    const requireWidth = (width: number) => {
      if (width === head.width) return;
      throw new TributaryError(
        'TRIB_MODEL',
        `${vision.label} output "${vision.output.name}": expected features of ${head.width} numbers for the head ${headPath}, got ${width}. Use CLIP ViT-L/14.`,
      );
    };
    // Before the run starts if the graph declares the width, else with the first pictures.
    requireWidth(widthOf(vision.output) ?? head.width);
    return {
      runsOn: runsOn(vision),
      async score({ images }) {
        const features = await vision.features(images);
        requireWidth(features[0]?.length ?? head.width);
        return { rewards: features.map((feature) => head.score(feature)), features };
      },
      close: () => vision.release(),
    };
  },
});
