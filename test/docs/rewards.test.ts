import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { encodePng, toRgb8 } from '../../src/models/images/picture.js';
import { readRewardResponse } from '../../src/models/rewards/services/scored-answer.js';
import { createHttpReward } from '../../src/models/rewards/sources/http.js';
import { startRewardServer } from '../fixtures/reward-server.js';

const PAGE = readFileSync('docs/rewards.md', 'utf8');
const BRIDGE = 'docs/examples/pickle_bridge.py';
const EXAMPLE = 'docs/examples/reward_service.py';
const SHAPE = [3, 4, 4] as const;
const blocks = (language: string) =>
  Array.from(
    PAGE.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm')),
    ([, code = '']) => code,
  );
const schemaOf = (name: string) =>
  z.fromJSONSchema(JSON.parse(readFileSync(`docs/reward-${name}.schema.json`, 'utf8')));

const images = [0.9, -0.9].map((value) => new Float32Array(48).map((_, index) => Math.sin(index) * value));
const scorerAt = (url: string) =>
  createHttpReward({ url, timeoutMs: 60_000, batchSize: 1, imageShape: SHAPE });
const score = (url: string) =>
  scorerAt(url).score({ prompt: 'a "red" ball', images }, new AbortController().signal);

describe('docs/rewards.md', () => {
  it('should send what its schema says', async () => {
    const { url, requests } = await startRewardServer();
    await score(url);
    const schema = schemaOf('request');
    expect(requests).toHaveLength(2);
    for (const { body } of requests) expect(schema.safeParse(body).success).toBe(true);
    expect(schema.safeParse({ version: 2, prompt: '', images: [''] }).success).toBe(false);
  });

  it('should send metadata as its schema says', async () => {
    const { url, requests } = await startRewardServer();
    const metadata = { answer: 'blue' };
    await scorerAt(url).score({ prompt: 'a ball', images, metadata }, new AbortController().signal);
    const schema = schemaOf('request');
    for (const { body } of requests) expect(schema.parse(body)).toMatchObject({ metadata });
    expect(schema.safeParse({ version: 1, prompt: '', images: [''], metadata: 'blue' }).success).toBe(false);
  });

  it.each([
    ['{"rewards": [1]}', true],
    ['{"rewards": [1], "embeddings": [[1, 2]], "seconds": 3}', true],
    ['{"rewards": [null]}', false],
    ['{"rewards": ["1"]}', false],
    ['{"rewards": [1], "embeddings": [[]]}', false],
    ['{"embeddings": [[1]]}', false],
    ['[1]', false],
  ])('should accept the answers that its schema does: %s', (text, isAccepted) => {
    expect(schemaOf('response').safeParse(JSON.parse(text)).success).toBe(isAccepted);
    expect('rewards' in readRewardResponse(text, 1, String)).toBe(isAccepted);
  });

  it('should show a request and an answer that fit the schemas', () => {
    const [request = '', answer = ''] = blocks('json');
    expect(schemaOf('request').safeParse(JSON.parse(request)).success).toBe(true);
    expect('rewards' in readRewardResponse(answer, 2, String)).toBe(true);
  });

  it('should show the example as it is', () => {
    expect(blocks('python')).toEqual([readFileSync(EXAMPLE, 'utf8')]);
  });

  const hasPython = spawnSync('python3', ['--version']).status === 0;
  it.skipIf(!hasPython)('should have an example that runs (needs python3)', async () => {
    const service = spawn('python3', [EXAMPLE, '0'], { stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(async () => {
      const exited = once(service, 'exit');
      service.kill();
      await exited;
    });
    const [url] = (await once(createInterface(service.stdout), 'line')) as [string];
    const { rewards, features } = await score(url);
    expect(rewards).toEqual(images.map((image) => -encodePng(toRgb8(image, 4, 4)).length / 1000));
    expect(features).toBeNull();
  });

  it.skipIf(!hasPython)('should have a bridge to servers that speak pickle (needs python3)', async () => {
    const plain = '(dp0\nVscores\n(lp1\nF0.25\naI3\nas.';
    // What a server that is not trusted would send: the call os.system('exit').
    const answers = [plain, plain, "cos\nsystem\n(S'exit'\ntR."];
    const asked: string[] = [];
    const server = createServer(async (incoming, response) => {
      asked.push((await buffer(incoming)).toString('latin1'));
      response.end(answers[asked.length - 1]);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const args = [BRIDGE, '0', `http://127.0.0.1:${port}`, 'scores', '--png'];
    const bridge = spawn('python3', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(async () => {
      const exited = once(bridge, 'exit');
      bridge.kill();
      await exited;
      server.close();
    });
    const [url] = (await once(createInterface(bridge.stdout), 'line')) as [string];
    const scorer = createHttpReward({ url, timeoutMs: 60_000, batchSize: 2, imageShape: SHAPE });
    const bridged = () => scorer.score({ prompt: 'a ball', images }, new AbortController().signal);
    expect((await bridged()).rewards).toEqual([0.25, 3]);
    for (const word of ['images', 'PNG', 'prompts', 'a ball', 'meta_datas', 'only_strict'])
      expect(asked[0]).toContain(word);
    // Two rewards for one picture.
    const rejected = await score(url).catch((error: unknown) => error);
    expect(rejected).toMatchObject({
      message: expect.stringContaining('expected 1 rewards, one per picture, got 2'),
    });
    const refused = await bridged().catch((error: unknown) => error);
    expect(refused).toMatchObject({
      message: expect.stringContaining('expected plain lists and numbers, got os.system'),
    });
  });
});
