/** @file The problems behind what Fastify and Node refuse by themselves. */

import type { Socket } from 'node:net';
import type { FastifyError } from 'fastify';
import { PROBLEM_TYPE, Problem, problemDocument, serverProblem } from './problem.js';

/** Returns the problem that an error of the framework, or of the program, is answered with. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const {
    code,
    validation,
    validationContext = 'request',
    statusCode,
    message,
  } = error as Partial<FastifyError>;
  if (validation)
    return serverProblem(
      'invalid-request',
      validation.map((fault) => describe(validationContext, fault)).join('; '),
    );
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return serverProblem('body-too-large', 'expected a smaller body');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return serverProblem('media-type', 'expected content-type application/json');
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return serverProblem('invalid-json', 'expected a JSON body, got none');
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return serverProblem('invalid-json', `expected a JSON body, got another text: ${message}`);
    default:
      if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
        return serverProblem('bad-request', message ?? 'expected another request');
      // What went wrong inside is for the log.
      return serverProblem('internal', 'expected no fault of the server, got one; its log has the reason');
  }
}

type Fault = NonNullable<FastifyError['validation']>[number];

/** `body.prompt: expected text of 1 to 4000 characters`. The messages of schemas are what belongs after "expected". */
function describe(context: string, { instancePath, message = 'another value' }: Fault): string {
  const place = [context, ...instancePath.split('/').filter((part) => part !== '')].join('.');
  return `${place}: expected ${message}`;
}

const BROKEN: Readonly<Record<string, Problem>> = {
  ERR_HTTP_REQUEST_TIMEOUT: serverProblem(
    'request-timeout',
    'expected the whole request in time, got a part of it',
  ),
  HPE_HEADER_OVERFLOW: serverProblem('headers-too-large', 'expected shorter headers'),
};

/** Answers what is no request, or never ends, on its connection, and cuts that off. */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  // One whose answer has begun cannot be given another, and one that is gone needs none.
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable || socket.bytesWritten > 0)
    return void socket.destroy();
  const problem = BROKEN[error.code ?? ''] ?? serverProblem('bad-request', 'expected a request of HTTP/1.1');
  const body = JSON.stringify(problemDocument(problem, ''));
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.code}\r\nconnection: close\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
