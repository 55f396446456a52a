/** @file Requests for pictures, what was drawn, and what people say of it. */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Judgment, judgmentFault } from '../../../operators/index.js';
import {
  type Comparison,
  type DrawnPictures,
  type Feedback,
  type Guess,
  isGatewayGroup,
  type PictureRequest,
} from '../../messages/people.js';
import { MessageFault, messageCodec, requireField, requirePart } from './message-codec.js';
import { trajectoriesFromWire, trajectoriesToWire } from './rollout-codecs.js';
import {
  type Comparison as ComparisonWire,
  type Drawn,
  DrawnPicturesSchema,
  FeedbackSchema,
  type Feedback as FeedbackWire,
  type Guess as GuessWire,
  PictureRequestSchema,
  type PictureRequest as PictureRequestWire,
} from './tributary_pb.js';

export const requestCodec = messageCodec({
  kind: 'picture request',
  schema: PictureRequestSchema,
  toWire: (request: PictureRequest): MessageInitShape<typeof PictureRequestSchema> => ({ ...request }),
  fromWire: (wire) => requestFromWire(wire, 'request'),
});

export const drawnCodec = messageCodec({
  kind: 'drawn pictures',
  schema: DrawnPicturesSchema,
  toWire: (message: DrawnPictures): MessageInitShape<typeof DrawnPicturesSchema> => {
    const request = { ...message.request };
    if ('fault' in message) return { request, outcome: { case: 'fault', value: message.fault } };
    const { group, size, pictures, guesses, comparison } = message;
    const [width, height] = size;
    const value = { group: trajectoriesToWire(group), width, height, pictures: [...pictures] };
    const compared = comparison && { comparison: { ...comparison, pictures: [...comparison.pictures] } };
    return { request, outcome: { case: 'drawn', value: { ...value, guesses: [...guesses], ...compared } } };
  },
  fromWire: ({ request: wire, outcome }): DrawnPictures => {
    const request = requestFromWire(wire, 'request');
    switch (outcome.case) {
      case 'fault':
        return { request, fault: outcome.value };
      case 'drawn':
        return { request, ...drawnFromWire(outcome.value) };
      default:
        throw new MessageFault('outcome', 'drawn or a fault', 'neither');
    }
  },
});

/** Whether a judgment fits its group, only a gateway can tell. */
export const feedbackCodec = messageCodec({
  kind: 'feedback',
  schema: FeedbackSchema,
  toWire: ({ groupId, voter, judgment, givenAt }: Feedback): MessageInitShape<typeof FeedbackSchema> => ({
    groupId,
    voter,
    givenAt,
    judgment: judgmentToWire(judgment),
  }),
  fromWire: ({ groupId, voter, judgment, givenAt }): Feedback => {
    requireField(groupId !== '', 'group_id', 'a group id', '""');
    requireField(voter !== '', 'voter', 'a name', '""');
    return {
      groupId,
      voter,
      judgment: judgmentFromWire(judgment),
      givenAt: timeFromWire(givenAt, 'given_at'),
    };
  },
});

function requestFromWire(wire: PictureRequestWire | undefined, path: string): PictureRequest {
  const { id, prompt, seed, requestedBy, requestedAt, expiresAt } = requirePart(wire, path);
  requireField(
    isGatewayGroup(id),
    `${path}.id`,
    'g- and 24 hexadecimal digits',
    JSON.stringify(id.slice(0, 80)),
  );
  return {
    ...{ id, prompt, seed, requestedBy },
    requestedAt: timeFromWire(requestedAt, `${path}.requested_at`),
    expiresAt: timeFromWire(expiresAt, `${path}.expires_at`),
  };
}

/** Beyond it there are no dates (ECMA-262). */
const LAST_TIME = 8.64e15;

/** Milliseconds since 1970. */
export function timeFromWire(value: number, path: string): number {
  requireField(value >= 0 && value <= LAST_TIME, path, 'milliseconds since 1970', value);
  return value;
}

function drawnFromWire({ group: wire, width, height, pictures, guesses, comparison }: Drawn) {
  const group = trajectoriesFromWire(requirePart(wire, 'drawn.group'));
  const branches = group.branches.length;
  requireField(pictures.length === branches, 'drawn.pictures', `${branches}, one a branch`, pictures.length);
  const size: readonly [number, number] = [width, height];
  return {
    ...{ group, size, pictures: pictures.map(copied), guesses: guesses.map(guessFromWire) },
    ...(comparison && { comparison: comparisonFromWire(comparison, branches) }),
  };
}

function comparisonFromWire({ canary, pictures }: ComparisonWire, branches: number): Comparison {
  const isWhole = pictures.every(
    (picture, index) => picture < branches && picture > (pictures[index - 1] ?? -1),
  );
  const isPart = pictures.length > 0 && pictures.length < branches;
  requireField(
    isWhole && isPart,
    'drawn.comparison.pictures',
    `some of ${branches} pictures, ascending`,
    pictures.join(', '),
  );
  return { canary, pictures: [...pictures] };
}

const guessFromWire = ({ step, node, png }: GuessWire): Guess => ({ step, node, png: copied(png) });

/** The record must not be kept alive. `slice` of a Buffer would not copy. */
const copied = (bytes: Uint8Array) => new Uint8Array(bytes);

type JudgmentWire = NonNullable<MessageInitShape<typeof FeedbackSchema>['judgment']>;

function judgmentToWire(judgment: Judgment): JudgmentWire {
  if ('best' in judgment) return { case: 'best', value: judgment.best };
  if ('ranking' in judgment) return { case: 'ranking', value: { pictures: [...judgment.ranking] } };
  if ('ratings' in judgment) return { case: 'ratings', value: { values: [...judgment.ratings] } };
  return { case: 'none' in judgment ? 'none' : 'skip', value: true };
}

function judgmentFromWire(wire: FeedbackWire['judgment']): Judgment {
  switch (wire.case) {
    case 'best':
      return { best: wire.value };
    case 'ranking':
      return { ranking: wire.value.pictures };
    case 'ratings': {
      const judgment = { ratings: wire.value.values };
      const fault = judgmentFault(judgment, judgment.ratings.length);
      requireField(fault === null, 'ratings.values', 'numbers from 0 to 1', judgment.ratings.join(', '));
      return judgment;
    }
    case 'none':
    case 'skip':
      requireField(wire.value, wire.case, 'true', wire.value);
      return wire.case === 'none' ? { none: true } : { skip: true };
    default:
      throw new MessageFault('judgment', 'best, ranking, ratings, none or skip', 'nothing that is known');
  }
}
