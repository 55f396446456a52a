/** @file Rewards from a service that answers over HTTP; docs/rewards.md describes requests and answers. */

import { integer, oneOf, text } from '../../../fields.js';
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
import { FORM_NAMES, type FormName, SCORE_FORMS } from '../services/score-forms.js';
import { lengthsFault, type ScoredAnswer } from '../services/scored-answer.js';

const TOKEN_VARIABLE = 'TRIBUTARY_REWARD_TOKEN';

export interface HttpRewardSettings extends Omit<JsonService, 'tokenVariable'> {
  /** Most pictures in one request. */
  readonly batchSize: number;
  readonly imageShape: readonly [number, number, number];
  /** Default: tributary. */
  readonly form?: FormName;
  /** Key of the rewards in an answer. Default: that of the form. */
  readonly scoreField?: string | undefined;
}

/**
 * Returns a scorer that posts pictures as PNG, `batchSize` of one prompt at a time and in order. A fault that may pass is
 * retried (json-service.ts).
 *
 * Errors: TRIB_REWARD if the service does not answer as agreed, `retryable` if that may pass; TRIB_CANCELLED; TRIB_USAGE if
 * the token cannot be sent.
 */
export function createHttpReward(settings: HttpRewardSettings): RewardScorer {
  const { imageShape } = settings;
  const form = SCORE_FORMS[settings.form ?? 'tributary'];
  const batchSize = Math.min(settings.batchSize, form.mostPictures);
  const scoreField = settings.scoreField ?? form.scoreField;
  const service = { ...settings, tokenVariable: TOKEN_VARIABLE };
  requireSendable(service);
  return {
    runsOn: null,
    async score({ prompt, metadata, images }, signal) {
      const responses: ScoredAnswer[] = [];
      for (let start = 0; start < images.length; start += batchSize) {
        const pngs = images
          .slice(start, start + batchSize)
          .map((image) =>
            Buffer.from(encodePng(toRgb8(image, imageShape[1], imageShape[2]))).toString('base64'),
          );
        const body = JSON.stringify(form.bodyOf({ prompt, metadata, pngs }));
        const read: ReadAnswer<ScoredAnswer> = (text, quote) => {
          const answer = form.read(text, { count: pngs.length, scoreField, quote });
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
    form: oneOf(FORM_NAMES)
      .default('tributary')
      .describe(
        "What the service speaks (docs/rewards.md). `tributary`: one prompt and its pictures, answered by `rewards`. `batch`: lists of prompts and pictures, as Flow-Factory's servers take them at /compute. `single`: one picture a request, answered by one `score`; batchSize does not matter.",
      ),
    scoreField: text('a key')
      .optional()
      .describe(
        'Key of the rewards in an answer, for `batch` and `single`. Default: `rewards`, and `score` for `single`.',
      ),
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
