import { z } from 'zod';
import { integer, section, text } from '../../../fields.js';
import { defineStage } from '../stage-spec.js';

const URL_PHRASE = 'an http or https URL without user, password or fragment';

/** A password would end up in every copy of the config. */
function isServiceUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hash } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '' && hash === '';
}

const batchSize = (meaning: string) =>
  integer(1, 4096).default(32).describe(`${meaning} at most; the last one of a group may hold fewer.`);

const sources = z.discriminatedUnion(
  'from',
  [
    section({
      type: z.literal('scoreRewards'),
      // Optional inside the default, so that a stage without `from` is told apart as one of a model.
      from: z
        .literal('model')
        .optional()
        .default('model')
        .describe('The cosine between picture and prompt, by a dual encoder that runs in this process.'),
      model: text('the folder of a reward model').describe('Folder of the reward model, stored as ONNX.'),
      batchSize: batchSize('Images that the reward model scores in one run,'),
    }),
    section({
      type: z.literal('scoreRewards'),
      from: z
        .literal('http')
        .describe('Whatever a service says that answers over HTTP, in any language (docs/rewards.md).'),
      url: z
        .string({ error: URL_PHRASE })
        .refine(isServiceUrl, { error: URL_PHRASE })
        .describe(
          'Where pictures are posted. A token comes from the environment variable TRIBUTARY_REWARD_TOKEN alone.',
        ),
      timeoutMs: integer(1, 300_000)
        .default(60_000)
        .describe('Milliseconds that one request may take, answer included, before it is tried again.'),
      batchSize: batchSize('Images in one request,'),
      concurrency: integer(1, 64)
        .default(1)
        .describe(
          'Groups that are scored at once: with more than 1 the service must answer requests side by side.',
        ),
    }),
  ],
  { error: 'a mapping' },
);

export const scoreRewardsStage = defineStage({
  type: 'scoreRewards',
  summary: 'Scores every image of a group against its prompt.',
  consequences: {
    ordering: 'Rewards leave as they are ready; the join needs no order.',
    delivery:
      'A reward that is not finite, a wrong count, or a model or service that fails makes a dead letter; it is counted and never trained on.',
    memory:
      'One batch of images and one of network activations; with a service, one request for each group at once.',
  },
  schema: sources,
  reads: { images: 'group images' },
  writes: { rewards: 'group rewards', 'dead-letters': 'dead letter', metrics: 'metric' },
});
