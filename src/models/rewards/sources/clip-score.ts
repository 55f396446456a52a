/** @file CLIP score: how well a picture fits its prompt, by any CLIP that was exported to ONNX. */

import { filePath, number } from '../../../fields.js';
import { cosine } from '../contract/features.js';
import { runsOn } from '../contract/reward-scorer.js';
import { batchSizeField, defineRewardSource } from '../contract/reward-source.js';
import { findClipHalf } from '../encoders/clip-folder.js';
import { openGraph, requireOneWidth } from '../encoders/exported-graph.js';
import { openImageEncoder } from '../encoders/image-encoder.js';
import { textFeatures } from '../encoders/text-features.js';
import { loadTextTokenizer } from '../encoders/text-tokenizer.js';

/**
 * r = scale · cos(f(picture), g(prompt)), with CLIP's image features f and text features g.
 *
 * B²-DiffuRL's reward is this with scale 1 and ViT-H/14 (laion2B-s32B-b79K): a plain cosine, neither times 100, nor cut off
 * at 0, which is what Hessel et al. 2021 call CLIPScore (2.5 max(cos, 0)). PickScore is the same form with its own weights
 * and scale exp(logit_scale).
 */
export const clipScore = defineRewardSource({
  name: 'clip-score',
  summary: 'CLIP score: the cosine between picture and prompt, by any CLIP exported to ONNX.',
  fields: {
    model: filePath('the folder of a CLIP', 'folder').describe(
      'Folder of the exported CLIP: vision_model.onnx and text_model.onnx, or model.onnx, in the folder or its onnx/, plus preprocessor_config.json and the tokenizer files.',
    ),
    tokenizer: filePath('the folder of a tokenizer', 'folder')
      .optional()
      .describe("Folder of the tokenizer. Default: the model's."),
    scale: number({ from: '(0', to: 'Infinity)' })
      .default(1)
      .describe(
        "The cosine is multiplied by it. 1 is B²-DiffuRL's; exp(logit_scale) of a CLIP, about 100, gives its logits.",
      ),
    batchSize: batchSizeField('Images that the model sees in one run,'),
  },
  async create({ model, tokenizer = model, scale, batchSize }, { engine, imageShape }) {
    const words = await loadTextTokenizer(tokenizer);
    const vision = await openImageEncoder(engine(), model, batchSize, imageShape);
    const { path, outputs } = await findClipHalf(model, 'text');
    const prompts = textFeatures(await openGraph(engine(), path, outputs), path, words);
    requireOneWidth({ label: vision.label, port: vision.output }, { label: path, port: prompts.output });
    return {
      runsOn: runsOn(vision, prompts),
      async score({ prompt, images }) {
        const wanted = await prompts.of(prompt);
        const features = await vision.features(images);
        return { rewards: features.map((feature) => scale * cosine(feature, wanted)), features };
      },
      async close() {
        await vision.release();
        await prompts.release();
      },
    };
  },
});
