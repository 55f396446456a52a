import { filePath } from '../../../fields.js';
import { readPipelineTokenizer } from '../../pipeline/pipeline-index.js';
import { cosine } from '../contract/features.js';
import { runsOn } from '../contract/reward-scorer.js';
import { batchSizeField, defineRewardSource } from '../contract/reward-source.js';
import { openDualEncoder } from '../encoders/dual-encoder.js';

/** A dual encoder as reward: the cosine between each picture, as the sampler made it, and the prompt. */
export const dualEncoderReward = defineRewardSource({
  name: 'model',
  summary: 'The cosine between picture and prompt, by a dual encoder in this process.',
  fields: {
    model: filePath('the folder of a reward model', 'folder').describe(
      'Folder of the reward model, stored as ONNX.',
    ),
    batchSize: batchSizeField('Images that the reward model scores in one run,'),
  },
  async create({ model, batchSize }, { engine, pipeline, imageShape }) {
    const tokenizer = await readPipelineTokenizer(pipeline);
    const encoder = await openDualEncoder(engine(), model, { tokenizer, batchSize, imageShape });
    return {
      runsOn: runsOn(encoder),
      async score({ prompt, images }) {
        const wanted = await encoder.textFeatures(prompt);
        const features = await encoder.imageFeatures(images);
        return { rewards: features.map((feature) => cosine(feature, wanted)), features };
      },
      close: () => encoder.release(),
    };
  },
});
