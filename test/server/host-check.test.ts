import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openDashboard } from '../../src/api/open-dashboard.js';
import { hostFault } from '../../src/server/host-check.js';
import { PromptInbox } from '../../src/streams/stages/prompts/prompt-inbox.js';
import { openPromptsServer } from '../../src/streams/stages/prompts/prompts-server.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { stageBench } from '../streams/stages/stage-bench.js';

const faultOf = (hosts: string[] | undefined, url = '/') =>
  hostFault(
    { url, headersDistinct: hosts ? { host: hosts } : {} },
    { host: 'runs.local', names: ['Tributary.example.org'], setting: 'here' },
  );

describe('hostFault', () => {
  it.each([
    'localhost',
    'LOCALHOST:8080',
    'localhost.',
    'a.localhost:1',
    '127.0.0.1',
    '127.0.0.1:8080',
    '10.1.2.3:80',
    '[::1]',
    '[::1]:8080',
    '[FE80::1]',
    'runs.local:9',
    'tributary.example.org',
    'TRIBUTARY.example.org:443',
  ])('should take %s', (host) => {
    expect(faultOf([host])).toBeNull();
    expect(faultOf([host], `http://${host}/prompts`)).toBeNull();
  });

  it.each([
    'example.org',
    'example.org:8080',
    'localhost.example.org',
    'notlocalhost',
    '127.0.0.1.example.org',
    '127.0.0.1.nip.io',
    'x.tributary.example.org',
    'runs.local.example.org',
  ])("should refuse %s, which may be anybody's name for this address", (host) => {
    const name = host.replace(/:\d+$/, '');
    const fault = { status: 421, message: `expected a host of this server, got ${name}; add it to here` };
    expect(faultOf([host])).toEqual(fault);
    expect(faultOf(['localhost'], `http://${host}/prompts`)).toEqual(fault);
  });

  it.each([
    [[]],
    [undefined],
    [['']],
    [['::1']],
    [['[::1']],
    [['[::g]:80']],
    [['a b']],
    [['localhost@example.org']],
    [['localhost:port']],
    [['localhost', 'localhost']],
  ])('should refuse %j as no host', (hosts) => {
    expect(faultOf(hosts)?.status).toBe(400);
  });
});

/** Sends a request as it is written, and returns the first line of the answer and its body. */
async function answerTo(url: string, lines: readonly string[]): Promise<{ status: number; body: string }> {
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.end(`${[...lines, 'connection: close'].join('\r\n')}\r\n\r\n`);
  const answer = await text(socket);
  return { status: Number(answer.split(' ')[1]), body: answer.slice(answer.indexOf('\r\n\r\n') + 4) };
}

const servers = {
  async dashboard() {
    return openDashboard({
      runPath: await temporaryFolder(),
      host: '127.0.0.1',
      port: 0,
      allowHosts: ['runs.example.org'],
    });
  },
  async prompts() {
    const inbox = new PromptInbox({ transport: stageBench([]).context.transport, maxWaiting: 9 });
    return openPromptsServer({
      host: '127.0.0.1',
      port: 0,
      token: undefined,
      inbox,
      allowHosts: ['runs.example.org'],
    });
  },
};

describe.each(Object.entries(servers))('the server of the %s', (_, open) => {
  it('should answer only those who mean it', async () => {
    const server = await open();
    onTestFinished(() => server.close());
    const health = (host: string, target = '/health') =>
      answerTo(server.url, [`GET ${target} HTTP/1.1`, `host: ${host}`]);
    expect((await health('localhost')).status).toBe(200);
    expect((await health('runs.example.org')).status).toBe(200);
    expect((await health('localhost', 'http://localhost/health')).status).toBe(200);
    const refused = await health('rebound.example.com');
    expect(refused.status).toBe(421);
    expect(refused.body).toContain('expected a host of this server, got rebound.example.com; add it to');
    expect((await health('localhost', 'http://rebound.example.com/health')).status).toBe(421);
    expect((await answerTo(server.url, ['GET /health HTTP/1.0'])).status).toBe(400);
    expect(
      (
        await answerTo(server.url, [
          'POST /prompts HTTP/1.1',
          'host: rebound.example.com',
          'content-type: application/json',
          'content-length: 0',
        ])
      ).status,
    ).toBe(421);
  });
});
