import type { z } from 'zod';
import { type HttpApp, untilAnswered } from '../../server/create-app.js';
import { type Problem, serverProblem } from '../../server/problem.js';
import type { Desk, ServedGroup } from '../../streams/stages/gateway/desk.js';
import { imagesAnswer, imagesRequest } from './schemas.js';

export interface ImagesRouteOptions {
  readonly desk: Desk;
  /** Pictures of a group. */
  readonly pictures: number;
  /** Milliseconds after which the desk gives up; the server waits a little longer. */
  readonly answerWithinMs: number;
}

type ImagesRequest = z.infer<typeof imagesRequest>;

/** Groups of those who do not say who they are. */
const ANONYMOUS = 'anonymous';
const GRACE_MS = 5000;

/** `POST /v1/images/generations`, as OpenAI's Images API has it: draws a group and answers with its pictures. */
export function addImagesRoute(app: HttpApp, { desk, pictures, answerWithinMs }: ImagesRouteOptions): void {
  /** What the model draws: nobody knows before the first group, which is drawn even for who wants another size. */
  let known: string | null = null;
  app.route({
    method: 'POST',
    url: '/v1/images/generations',
    config: { answerWithinMs: answerWithinMs + GRACE_MS, besides: openAiError },
    schema: {
      operationId: 'createImages',
      summary: 'Draw the pictures of a prompt',
      body: imagesRequest,
      response: { 200: imagesAnswer },
    },
    handler: async ({ body, protocol, host }, reply) => {
      const { prompt, seed, user = ANONYMOUS } = body;
      const size = body.size === 'auto' ? undefined : body.size;
      requireOwn('n', body.n, pictures);
      if (known !== null) requireOwn('size', size, known);
      const signal = untilAnswered(reply);
      const group = await desk.draw({ prompt, client: user, signal, ...(seed !== undefined && { seed }) });
      known = group.size.join('x');
      requireOwn('size', size, known);
      return {
        created: Math.floor(Date.parse(group.createdAt) / 1000),
        id: group.id,
        size: known,
        output_format: 'png' as const,
        seed: group.seed,
        data: await picturesOf(desk, group, body.response_format, `${protocol}://${host}`),
      };
    },
  });
}

/** Pictures as text, or as addresses; both where a client does not say, as clients differ in what they expect. */
async function picturesOf(
  desk: Desk,
  { id, pictures }: ServedGroup,
  format: ImagesRequest['response_format'],
  server: string,
) {
  return Promise.all(
    Array.from({ length: pictures }, async (_, index) => {
      const url = `${server}/v1/groups/${encodeURIComponent(id)}/pictures/${index}.png`;
      if (format === 'url') return { url };
      const png = await desk.picture(id, String(index));
      if (!png) throw new Error(`group ${id}: expected picture ${index}, got none`);
      const b64_json = Buffer.from(png.buffer, png.byteOffset, png.byteLength).toString('base64');
      return format === 'b64_json' ? { b64_json } : { b64_json, url };
    }),
  );
}

/** A group has the pictures that the run trains on, whatever a client would like. */
function requireOwn(key: string, asked: number | string | null | undefined, own: number | string): void {
  if (asked === undefined || asked === null || asked === own) return;
  throw serverProblem('invalid-request', `body.${key}: expected ${own} or nothing, got ${asked}`);
}

/** What OpenAI's clients look for in an answer that is none. */
const openAiError = ({ code, detail, status }: Problem) => ({
  error: {
    message: detail,
    type: status < 500 ? 'invalid_request_error' : 'server_error',
    param: null,
    code,
  },
});
