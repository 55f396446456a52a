import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { type HubOptions, openHubModel } from '../../../src/models/hub/hub-client.js';
import { faultOf } from '../../fixtures/fault-of.js';
import {
  COMMIT,
  type HubServerOptions,
  sendBytes,
  sendRefusal,
  startHubServer,
} from '../../fixtures/hub-server.js';

const FILES = { 'model_index.json': '{}' };
const TOKEN = 'hf_secret';

const start = (options: Partial<HubServerOptions> = {}) => startHubServer({ files: FILES, ...options });
const open = (hubUrl: string, options: Partial<HubOptions> = {}) =>
  openHubModel({
    id: 'owner/name',
    revision: 'main',
    hubUrl,
    token: null,
    signal: new AbortController().signal,
    ...options,
  });

/** The fault of a hub that answers every request with this status. */
async function refusal(status: number, code: string, options: Partial<HubOptions> = {}) {
  const { url } = await start({ before: (_, response) => sendRefusal(response, status, code) });
  const [kind, message] = await faultOf(() => open(url, options));
  return [kind, message.replaceAll(url, 'HUB').replaceAll(new URL(url).host, 'HOST')];
}

describe('openHubModel', () => {
  test('should say that a model needs a token, which may also mean that there is none', async () => {
    expect(await refusal(401, 'RepoNotFound')).toEqual([
      'TRIB_DOWNLOAD',
      'owner/name: expected a public model, got status 401: it is gated or private, or does not exist. Check the name; if it has terms, accept them on HUB/owner/name; then set HF_TOKEN to a token of your account.',
    ]);
  });

  test('should say that a token is not taken, or has no access, and never show it', async () => {
    const denied = await refusal(401, 'RepoNotFound', { token: TOKEN });
    const gated = await refusal(403, 'GatedRepo', { token: TOKEN });
    expect(denied[1]).toContain('expected the hub to accept HF_TOKEN, got status 401');
    expect(gated[1]).toContain('got status 403: the model is gated. Ask for access on HUB/owner/name');
    expect([...denied, ...gated].join()).not.toContain(TOKEN);
  });

  test('should say what is unknown: the model or its revision', async () => {
    expect((await refusal(404, 'RepoNotFound', { token: TOKEN }))[1]).toBe(
      'owner/name: expected a model at HUB/owner/name, got none (status 404). Check owner and name.',
    );
    expect((await refusal(404, 'RevisionNotFound', { revision: 'fp16' }))[1]).toBe(
      'owner/name: expected a revision "fp16", got none of that name. Name a branch, a tag or a commit with --revision.',
    );
  });

  test('should say that nothing answers', async () => {
    // Port 9 is kept for a service that nobody runs.
    expect(await faultOf(() => open('http://127.0.0.1:9'))).toEqual([
      'TRIB_DOWNLOAD',
      expect.stringMatching(
        /^owner\/name: expected to reach 127\.0\.0\.1:9, got .+\. Check the network\. Run the same/,
      ),
    ]);
  });

  test('should say that something else answers', async () => {
    const { url } = await start({
      before: (_, response) => sendBytes(response, Buffer.from('<html>'), undefined),
    });
    expect(await faultOf(() => open(url))).toEqual([
      'TRIB_DOWNLOAD',
      expect.stringContaining('got something that does not parse. Check HF_ENDPOINT'),
    ]);
  });

  test.each(['../evil', '/evil', 'unet/../../evil', 'unet\\evil', '..'])(
    'should refuse a list whose path leads elsewhere: %s',
    async (path) => {
      const { url } = await start({ entry: (entry) => ({ ...entry, path }) });
      expect((await faultOf(() => open(url)))[0]).toBe('TRIB_DOWNLOAD');
    },
  );

  test.each(['name', 'a/b/c', 'owner/..', 'owner/na me', '/name'])(
    'should refuse an id that is none: %s',
    async (id) => {
      expect(await faultOf(() => open('http://127.0.0.1:9', { id }))).toEqual([
        'TRIB_USAGE',
        expect.stringContaining(`"${id}": expected owner/name`),
      ]);
    },
  );

  test('should refuse a token that no header can carry, without showing it', async () => {
    const [code, message] = await faultOf(() => open('http://127.0.0.1:9', { token: `${TOKEN}\nx` }));
    expect([code, message.includes('secret')]).toEqual(['TRIB_USAGE', false]);
  });

  test('should send the token to the hub, and not to where it redirects', async () => {
    const store = await start({ before: (_, response) => sendBytes(response, Buffer.from('{}'), undefined) });
    const hub = await start({
      before: ({ path }, response) => {
        if (!path.includes('/resolve/')) return false;
        response.writeHead(302, { location: `${store.url}/signed` }).end();
        return true;
      },
    });
    const model = await open(`${hub.url}/`, { token: ` ${TOKEN}\n` });
    expect(model).toMatchObject({ commit: COMMIT, files: [{ path: 'model_index.json', size: 2 }] });
    expect(await (await model.read(model.files[0]!, 0)).text()).toBe('{}');
    expect(hub.requests.map(({ authorization }) => authorization)).toEqual(Array(3).fill(`Bearer ${TOKEN}`));
    expect(store.requests.map(({ path, authorization }) => [path, authorization])).toEqual([
      ['/signed', undefined],
    ]);
  });

  test.each([true, false])(
    'should send the token to a next page of the hub alone, elsewhere: %s',
    async (elsewhere) => {
      const page = (response: ServerResponse, link?: string) => {
        response.writeHead(200, { 'content-type': 'application/json', ...(link && { link }) }).end('[]');
        return true;
      };
      const stranger = await start({ before: (_, response) => page(response) });
      const hub = await start({
        before({ path }, response) {
          if (!path.includes('/tree/')) return false;
          // Of the same host: what differs is the port alone.
          const next = `${elsewhere ? stranger.url : hub.url}/api/models/owner/name/tree/next`;
          return page(response, path.endsWith('/next') ? undefined : `<${next}>; rel="next"`);
        },
      });
      await open(hub.url, { token: TOKEN });
      const pages = (elsewhere ? stranger : hub).requests.filter(({ path }) => path.endsWith('/next'));
      expect(pages.map(({ authorization }) => authorization)).toEqual([
        elsewhere ? undefined : `Bearer ${TOKEN}`,
      ]);
    },
  );
});
