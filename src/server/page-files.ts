import { sessionCookie } from './access.js';
import type { HttpApp } from './create-app.js';

/** What the page may load: nothing from elsewhere. Charts set styles. */
const PAGE_POLICY =
  "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";

/** Lets routes answer with files: `reply.sendFile(name, folder)`. */
export async function sendFiles(app: HttpApp): Promise<void> {
  const { default: statics } = await import('@fastify/static');
  await app.register(statics, { root: process.cwd(), serve: false });
}

/** Serves the files of a page, `index.html` at `/`, to all who reach the server: the page asks for the token. */
export async function servePage(app: HttpApp, folder: string): Promise<void> {
  const { default: statics } = await import('@fastify/static');
  await app.register(async (scope) => {
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, isOpen: true, isUncounted: true };
      route.schema = { ...route.schema, hide: true };
    });
    await scope.register(statics, {
      root: folder,
      // Only what is there gets a route.
      wildcard: false,
      decorateReply: false,
      setHeaders: (reply) => void reply.setHeader('content-security-policy', PAGE_POLICY),
    });
  });
}

/** `POST /v1/session` gives a page that shows the token a cookie for pictures and events. */
export function addSession(app: HttpApp, token: string | undefined): void {
  app.route({
    method: 'POST',
    url: '/v1/session',
    schema: {
      operationId: 'openSession',
      summary: 'Let the pictures and events of a page through, which come without a header',
      description: 'Sets a cookie for who shows the bearer token.',
    },
    handler: (_request, reply) => {
      if (token !== undefined) reply.header('set-cookie', sessionCookie(token));
      return reply.code(204).send();
    },
  });
}
