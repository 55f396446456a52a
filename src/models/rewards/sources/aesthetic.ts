/** @file The aesthetic score of LAION, as DDPO and DPOK use it: how much people like a picture, whatever the prompt. */

import { createRequire } from 'node:module';
import { TributaryError } from '../../../errors.js';
import { filePath } from '../../../fields.js';
import { packageFile } from '../../../own-package.js';
import { runsOn } from '../contract/reward-scorer.js';
import { batchSizeField, defineRewardSource } from '../contract/reward-source.js';
import { readAestheticHead } from '../encoders/aesthetic-head.js';
import { widthOf } from '../encoders/exported-graph.js';
import { openImageEncoder } from '../encoders/image-encoder.js';

/** The package of LAION's head. */
const PACKAGE = 'tributary-rl-aesthetic';

/** Returns LAION's head, which is in the repository, and for programs that are installed a package of its own. */
function laionHead(): string {
  const inRepository = packageFile('tributary:aesthetic/linear-mse.safetensors');
  if (inRepository !== null) return inRepository;
  try {
    return createRequire(import.meta.url).resolve(PACKAGE);
  } catch (cause) {
    throw new TributaryError(
      'TRIB_FILE',
      `reward aesthetic: expected the package ${PACKAGE}, which holds LAION's head, got none. Run npm install ${PACKAGE}, or name another head.`,
      { cause },
    );
  }
}

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
  async create({ model, head: headPath = laionHead(), batchSize }, { engine, imageShape }) {
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
