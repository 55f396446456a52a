/** @file What the desk refuses, as problems. */

import { type Problem, type ProblemTable, problemsOf } from '../../server/problem.js';
import { DESK_ERROR_CODES, DeskError, type DeskErrorCode } from '../../streams/stages/gateway/desk.js';

const STATUS: Readonly<Record<DeskErrorCode, number>> = {
  'queue-full': 429,
  deadline: 504,
  'prompt-refused': 422,
  'prompt-not-allowed': 422,
  'pictures-not-allowed': 422,
  'rule-failed': 503,
  'unknown-group': 404,
  finished: 409,
  'out-of-range': 422,
  contradicts: 409,
  deleted: 409,
  'shutting-down': 503,
};

const titleOf = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** All that a gateway refuses besides what every server does. */
export const GATEWAY_PROBLEMS: Readonly<
  Record<DeskErrorCode | 'unknown-picture', readonly [number, string]>
> = {
  ...(Object.fromEntries(
    Object.entries(DESK_ERROR_CODES).map(([code, text]) => [
      code,
      [STATUS[code as DeskErrorCode], titleOf(text)],
    ]),
  ) as Record<DeskErrorCode, [number, string]>),
  'unknown-picture': [404, 'The group has no such picture.'],
} satisfies ProblemTable;

export const gatewayProblem = problemsOf(GATEWAY_PROBLEMS);

/** Worth trying again after this many seconds. */
const RETRY_AFTER: Readonly<Partial<Record<DeskErrorCode, string>>> = {
  'queue-full': '1',
  'rule-failed': '10',
  'shutting-down': '10',
};

/** Returns the problem behind a refusal of the desk; undefined for any other error. */
export function deskProblem(error: unknown): Problem | undefined {
  if (!(error instanceof DeskError)) return undefined;
  const seconds = RETRY_AFTER[error.code];
  return gatewayProblem(error.code, error.message, seconds === undefined ? {} : { 'retry-after': seconds });
}
