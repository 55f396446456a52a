/** @file What a server answers where it cannot do what it is asked: problem documents, RFC 9457. */

/** Codes of problems, each with the status that it is answered with and a title that is the same every time. */
export type ProblemTable = Readonly<Record<string, readonly [status: number, title: string]>>;

/** Problems that every server can have. */
export const SERVER_PROBLEMS = {
  'bad-request': [400, 'The request is not one of HTTP.'],
  'bad-host': [400, 'The request names no host.'],
  'invalid-json': [400, 'The body is not JSON in UTF-8.'],
  'invalid-request': [400, 'A value of the request is not what it should be.'],
  unauthorized: [401, 'The bearer token is missing or wrong.'],
  'origin-not-allowed': [403, 'Pages of this origin may not use this server.'],
  'no-such-path': [404, 'There is nothing at this path.'],
  'method-not-allowed': [405, 'The path has no such method.'],
  'request-timeout': [408, 'The request did not end in time.'],
  'body-too-large': [413, 'The body is too large.'],
  'media-type': [415, 'The body is of another type.'],
  'wrong-host': [421, 'The request is meant for another host.'],
  'rate-limited': [429, 'This client has sent too many requests.'],
  'headers-too-large': [431, 'The headers are too large.'],
  internal: [500, 'The server failed.'],
  'too-many-readers': [503, 'As many follow the events as may.'],
  deadline: [504, 'The answer was not there in time.'],
} as const satisfies ProblemTable;

/** A request that is refused, and why. The detail says what was expected, what came, and, where it is not plain, what to do. */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly code: string,
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
  }
}

/** Returns what makes the problems of a table. */
export function problemsOf<Table extends ProblemTable>(table: Table) {
  return (
    code: keyof Table & string,
    detail: string,
    headers?: Readonly<Record<string, string>>,
  ): Problem => {
    const [status, title] = table[code] as ProblemTable[string];
    return new Problem(code, status, title, detail, headers);
  };
}

export const serverProblem = problemsOf(SERVER_PROBLEMS);

export interface ProblemDocument {
  /** A tag URI (RFC 4151): it names the kind of problem and leads nowhere. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** The path that was asked for. */
  readonly instance: string;
}

const LONGEST_INSTANCE = 200;

/** Returns a problem as RFC 9457 has it, with its code beside. */
export function problemDocument({ code, status, title, detail }: Problem, path: string): ProblemDocument {
  const type = `tag:tributary-rl,2026:problem/${code}`;
  return { type, title, status, code, detail, instance: path.slice(0, LONGEST_INSTANCE) };
}

export const PROBLEM_TYPE = 'application/problem+json';
