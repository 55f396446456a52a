/** @file Rewards from a service that answers over HTTP; docs/rewards.md describes requests and answers. */

import { integer } from '../../../fields.js';
import { encodePng, toRgb8 } from '../../images/picture.js';
import { toUnitLength } from '../contract/features.js';
import type { RewardScorer } from '../contract/reward-scorer.js';
import { batchSizeField, defineRewardSource } from '../contract/reward-source.js';
import {
  answerFault,
  askJson,
  type JsonService,
  type ReadAnswer,
  requireSendable,
  serviceUrlField,
} from '../services/json-service.js';
import { lengthsFault, readRewardResponse, type ScoredAnswer } from '../services/scored-answer.js';

const TOKEN_VARIABLE = 'TRIBUTARY_REWARD_TOKEN';

export interface HttpRewardSettings extends Omit<JsonService, 'tokenVariable'> {
  /** Most pictures in one request. */
  readonly batchSize: number;
  readonly imageShape: readonly [number, number, number];
}

/**
 * Returns a scorer that posts pictures as PNG, `batchSize` of one prompt at a time and in order. A fault that may pass is
 * retried (json-service.ts).
 *
 * Errors: TRIB_REWARD if the service does not answer as agreed, `retryable` if that may pass; TRIB_CANCELLED; TRIB_USAGE if
 * the token cannot be sent.
 */
export function createHttpReward(settings: HttpRewardSettings): RewardScorer {
  const { batchSize, imageShape } = settings;
  const service = { ...settings, tokenVariable: TOKEN_VARIABLE };
  requireSendable(service);
  return {
    runsOn: null,
    async score({ prompt, metadata, images }, signal) {
      const responses: ScoredAnswer[] = [];
      for (let start = 0; start < images.length; start += batchSize) {
        const pngs = images
          .slice(start, start + batchSize)
          .map((image) => Buffer.from(encodePng(toRgb8(image, imageShape[1], imageShape[2]))));
        const body = JSON.stringify({
          version: 1,
          prompt,
          // Absent without metadata: services that know of none get the request that they always got.
          ...(metadata && { metadata }),
          images: pngs.map((png) => png.toString('base64')),
        });
        const read: ReadAnswer<ScoredAnswer> = (text, quote) => {
          const answer = readRewardResponse(text, pngs.length, quote);
          return 'rewards' in answer ? { answer } : answer;
        };
        responses.push(await askJson(service, body, read, signal));
      }
      return {
        rewards: responses.flatMap(({ rewards }) => rewards),
        features: featuresOf(service, responses),
      };
    },
    close: async () => {},
  };
}

export const httpReward = defineRewardSource({
  name: 'http',
  summary: 'The answers of an HTTP service, written in any language (docs/rewards.md).',
  fields: {
    url: serviceUrlField(
      `Where pictures are posted. A token can only be given in the environment variable ${TOKEN_VARIABLE}.`,
    ),
    timeoutMs: integer(1, 300_000)
      .default(60_000)
      .describe('Milliseconds that one request may take, answer included, before it is tried again.'),
    batchSize: batchSizeField('Images in one request,'),
  },
  sideBySide: 'the service must answer concurrent requests',
  create: async (settings, { imageShape, environment }) =>
    createHttpReward({ ...settings, imageShape, token: environment[TOKEN_VARIABLE] || undefined }),
});

/** The embeddings of all pictures, if every answer has some. */
function featuresOf(
  service: JsonService,
  responses: readonly ScoredAnswer[],
): readonly Float32Array[] | null {
  const embeddings = responses.map(({ vectors }) => vectors);
  if (!embeddings.every((rows) => rows !== undefined)) return null;
  const rows = embeddings.flat();
  const fault = lengthsFault('embeddings', rows);
  if (fault) throw answerFault(service, fault);
  return rows.map((row) => toUnitLength(Float32Array.from(row)));
}
