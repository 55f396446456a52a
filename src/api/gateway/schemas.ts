/** @file What travels between people and a gateway, as schemas. The message of an issue belongs after "expected". */

import * as z from 'zod';
import { integer, number, oneOf, section, text } from '../../fields.js';
import { LONGEST_PROMPT } from '../../streams/messages/prompts.js';
import type { GroupState } from '../../streams/stages/gateway/desk.js';

const LONGEST_NAME = 200;
const MOST_PICTURES = 1024;
export const MOST_LISTED = 200;

/** Names people, and keys of requests. */
export const nameSchema = z
  .string({ error: `text of 1 to ${LONGEST_NAME} characters` })
  .min(1, { error: `text of 1 to ${LONGEST_NAME} characters` })
  .max(LONGEST_NAME, { error: `text of 1 to ${LONGEST_NAME} characters` });

const promptSchema = z
  .string({ error: `text of 1 to ${LONGEST_PROMPT} characters` })
  .trim()
  .min(1, { error: `text of 1 to ${LONGEST_PROMPT} characters` })
  .max(LONGEST_PROMPT, { error: `text of 1 to ${LONGEST_PROMPT} characters` })
  .regex(/^[^\p{Cc}\p{Surrogate}]*$/u, { error: 'text without control characters and halves of characters' });

const ignored = z.unknown().optional().describe('Taken for the sake of other clients, and not used.');

/** As OpenAI's Images API has it, with a seed. */
export const imagesRequest = section({
  prompt: promptSchema.describe('What the pictures shall show.'),
  n: z
    .union([integer(1, MOST_PICTURES), z.null()], { error: `an integer from 1 to ${MOST_PICTURES}` })
    .optional()
    .describe('Number of pictures: that of the group, which is the default, and no other.'),
  size: z
    .union([text('a size such as 64x64, or auto'), z.null()], { error: 'a size such as 64x64, or auto' })
    .optional()
    .describe('`auto`, which is the default, or the size that the model draws, such as `64x64`.'),
  seed: integer(0, 2 ** 32 - 1)
    .optional()
    .describe('The same seed, prompt and policy draw the same pictures. Default: one is chosen.'),
  response_format: oneOf(['b64_json', 'url'])
    .optional()
    .describe('How the pictures come: as PNG in base64, or as addresses of this server. Default: both.'),
  user: nameSchema.optional().describe('Who asks: lists, exports and deletions go by it.'),
  output_format: z.literal('png', { error: 'png' }).optional(),
  stream: z.literal(false, { error: 'false; follow the steps at /v1/events' }).optional(),
  model: ignored,
  quality: ignored,
  style: ignored,
  background: ignored,
  moderation: ignored,
});

const treeSchema = z.object({
  firstStep: z.int().describe('The first sampler step that is kept; 0 is the one from pure noise.'),
  numSteps: z.int(),
  forkStep: z.int().describe('The pictures share the steps before it.'),
  trainedSteps: z.array(z.int()).readonly(),
  guesses: z
    .array(z.object({ step: z.int(), node: z.int() }))
    .readonly()
    .describe('What the network took a latent for, as pictures `guess-<step>-<node>`.'),
});

const STATES = [
  'drawing',
  'waiting',
  'decided',
  'trained',
  'expired',
  'stale',
  'lost',
  'failed',
] as const satisfies readonly GroupState[];

export const groupSchema = z
  .object({
    id: z.string(),
    prompt: z.string(),
    state: z.enum(STATES),
    createdAt: z.string().describe('ISO 8601.'),
    seed: z.int(),
    policyVersion: z.int().nullable().describe('Finished rounds of the policy that drew it.'),
    comparison: z
      .object({ canary: z.int(), pictures: z.array(z.int()).readonly() })
      .nullable()
      .describe(
        'Version of the canary that drew some of the pictures, and which; the others are those of `policyVersion`. Null otherwise, and before the group is decided.',
      ),
    round: z.int().nullable().describe('The round that trains on it.'),
    size: z.tuple([z.int(), z.int()]).readonly().describe('Width and height of each picture in pixels.'),
    pictures: z.int().describe('Number of pictures, named 0, 1, ...'),
    tree: treeSchema.nullable().describe('How the pictures came about.'),
    votes: z.int(),
    rewards: z
      .array(z.number())
      .readonly()
      .nullable()
      .describe('One a picture, in [0, 1], once it is decided.'),
    agreement: z.number().nullable().describe('Share of the voters who chose what was decided.'),
    requestedBy: z.string().nullable(),
  })
  .meta({
    id: 'Group',
    description: 'A prompt with its pictures, from the request to the round that it trains.',
  });

export const imagesAnswer = z
  .object({
    created: z.int().describe('Seconds since 1970.'),
    id: z.string().describe('Of the group: feedback is given under it.'),
    size: z.string(),
    output_format: z.literal('png'),
    seed: z.int(),
    data: z.array(z.object({ b64_json: z.string().optional(), url: z.string().optional() })),
  })
  .meta({ id: 'Images', description: "OpenAI's answer, with the id and the seed of the group." });

export const groupList = z.object({ groups: z.array(groupSchema) });

const picture = integer(0, MOST_PICTURES - 1);
const JUDGMENTS = ['best', 'ranking', 'ratings', 'none', 'skip'] as const;
const isTrue = z.literal(true, { error: 'true' });

export const feedbackRequest = section({
  user: nameSchema.describe('Who says so. Everyone has one vote a group.'),
  idempotencyKey: nameSchema.optional().describe('Two requests with the same key are one.'),
  best: picture.optional().describe('The best picture, counted from 0.'),
  ranking: z
    .array(picture, { error: 'a list of pictures' })
    .max(MOST_PICTURES, { error: `at most ${MOST_PICTURES} pictures` })
    .optional()
    .describe('Every picture once, the best first.'),
  ratings: z
    .array(number({ from: '[0', to: '1]' }), { error: 'a list of numbers' })
    .max(MOST_PICTURES, { error: `at most ${MOST_PICTURES} numbers` })
    .optional()
    .describe('One number in [0, 1] a picture.'),
  none: isTrue.optional().describe('None of them is good.'),
  skip: isTrue.optional().describe('No feedback: this voter is not shown the group again.'),
})
  .refine((body) => JUDGMENTS.filter((word) => body[word] !== undefined).length === 1, {
    error: `one of ${JUDGMENTS.join(', ')}`,
  })
  .meta({ id: 'Feedback', description: `Who says what of the pictures: one of ${JUDGMENTS.join(', ')}.` });

export const statusSchema = z
  .object({
    queued: z.int().describe('Groups that wait to be drawn or are being drawn.'),
    waiting: z.int().describe('Groups that wait for feedback.'),
    decided: z.int(),
    expired: z.int().describe('Groups that went without feedback.'),
    refused: z.int().describe('Requests that the rule of the config refused.'),
    unjudged: z.int().describe('Requests that it could not judge, which were not served either.'),
    round: z.int(),
    policyVersion: z.int(),
  })
  .meta({ id: 'Status' });

const gatewaysOfPerson = {
  complete: z.boolean().describe('Whether all gateways that are at work have answered.'),
  gateways: z.object({ running: z.int(), answered: z.int() }),
};

export const personExport = z
  .object({
    person: z.string(),
    groups: z.array(groupSchema).readonly().describe('What they asked for, the newest first.'),
    votes: z
      .array(
        z.object({
          groupId: z.string(),
          voter: z.string(),
          judgment: z
            .looseObject({})
            .describe('As it was given: `best`, `ranking`, `ratings`, `none` or `skip`.'),
          at: z.string().describe('ISO 8601.'),
        }),
      )
      .readonly(),
    ...gatewaysOfPerson,
  })
  .meta({ id: 'PersonExport', description: 'What the gateways of a run keep of a person.' });

export const personDeletion = z
  .object({
    groups: z.int().describe('The most that a gateway had.'),
    votes: z.int().describe('The most that a gateway had.'),
    ...gatewaysOfPerson,
  })
  .meta({ id: 'PersonDeletion', description: 'How much was deleted. Gateways that are away follow.' });

export const groupsQuery = section({
  needs: z.literal('feedback', { error: 'feedback' }).optional().describe('Groups that wait for a voter.'),
  voter: nameSchema
    .optional()
    .describe('With `needs`: groups that this one has not judged, the oldest first.'),
  user: nameSchema.optional().describe('Groups that this one asked for, the newest first.'),
  limit: z
    .string()
    .transform(Number)
    .pipe(integer(1, MOST_LISTED))
    .default(20)
    .describe(`At most so many, 1 to ${MOST_LISTED}.`),
}).refine(
  ({ needs, voter, user }) =>
    (needs === undefined) !== (user === undefined) && (needs === undefined) === (voter === undefined),
  {
    error: 'needs=feedback with voter, or user',
  },
);
