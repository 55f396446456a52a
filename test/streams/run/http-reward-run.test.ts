/** @file Whole runs of the tiny pipeline whose pictures are scored by a service. */

import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { toRgb8 } from '../../../src/models/images/picture.js';
import { readPromptLists } from '../../../src/streams/prompt-files/read-prompts.js';
import { startSampler } from '../../../src/streams/stages/sampler/client.js';
import type { Answer, RewardRequest } from '../../fixtures/reward-server.js';
import { brightness, sendJson, sendText, startRewardServer } from '../../fixtures/reward-server.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { type EndedRun, eventsOf, metricsOf, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';

/** The base model: 2 training prompts and a held-out one. Then 2 rounds of 4 groups, 3 pictures in 2 requests each. */
const EVALUATION_REQUESTS = 3;
const STAGE_REQUESTS = 8;

async function runWith(answer: Answer = () => undefined, settings = '', query = '') {
  const server = await startRewardServer(answer);
  const folder = await temporaryFolder();
  const config = await tinyConfig(folder, {
    overrides: [
      `stages.reward={type: reward, from: http, url: '${server.url}${query}', batchSize: 2${settings}}`,
      'stages.prompts.numRounds=2',
      'guards.rewardCollapse.action=off',
      'guards.zeroSpreadGroups.action=off',
    ],
  });
  const path = join(folder, 'run');
  return { server, config, path, run: await runTiny({ config, path }) };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const rewardsOf = (requests: readonly RewardRequest[]) =>
  requests.flatMap(({ body }) => body.images.map(brightness));
const roundsOf = (run: EndedRun) => eventsOf(run, 'round').map(({ metrics }) => metrics);

describe('a run that is rewarded by a service', () => {
  it('should train on what the service says of the pictures that the sampler drew, though it is disturbed', async () => {
    const { server, config, path, run } = await runWith();
    expect([run.error, run.warnings]).toEqual([undefined, []]);
    expect(eventsOf(run, 'provider').map(({ stage }) => stage)).toEqual(['sampler', 'trainer']);
    expect(server.requests).toHaveLength(2 * EVALUATION_REQUESTS + 2 * STAGE_REQUESTS);

    for (const [round, metrics] of roundsOf(run).entries()) {
      const start = EVALUATION_REQUESTS + round * STAGE_REQUESTS;
      const rewards = rewardsOf(server.requests.slice(start, start + STAGE_REQUESTS));
      expect(rewards).toHaveLength(12);
      const spread = Math.sqrt(mean(rewards.map((reward) => (reward - mean(rewards)) ** 2)));
      expect(metrics).toMatchObject({ groups: 4, lostGroups: 0, rewardQueries: 12 * (round + 1) });
      expect(metrics.rewardMean).toBeCloseTo(mean(rewards), 12);
      expect(metrics.rewardStd).toBeCloseTo(spread, 12);
      expect(metrics.rewardStd).toBeGreaterThan(0);
      expect(metrics.verifiedAlignment).not.toBeNull();
    }

    // The same pictures once more, without PNG and without a service.
    const sampler = await startSampler(config, () => {});
    const { train } = await readPromptLists(config);
    const requests = train.prompts
      .slice(0, 2)
      .flatMap(({ prompt }, row) => [0, 1].map((image) => ({ prompt, groupIndex: 2 * row + image })));
    const pictures = await sampler.withPolicy({ version: 0, parameters: sampler.baseParameters }, (call) =>
      call.samplePictures({ requests }),
    );
    await sampler.close();
    const [base] = eventsOf(run, 'evaluation');
    const expected = mean(pictures.map((picture) => mean([...toRgb8(picture, 16, 16).data]) / 255));
    expect(base?.evaluation.train).toMatchObject({ images: 4, diversity: null });
    expect(base?.evaluation.train.rewardMean).toBeCloseTo(expected, 12);
    expect(base?.evaluation.train.verifiedAlignment).not.toBeNull();

    // A service that hangs once and is away twice comes to the same.
    const hung = EVALUATION_REQUESTS;
    const [reset, starting] = [hung + 3, hung + 4];
    const disturbed = await runWith(({ index }, response) => {
      if (index === hung) return 'answered';
      if (index === starting) return sendText(response, 503, 'starting');
      if (index !== reset) return undefined;
      response.destroy();
      return 'answered';
    }, ', timeoutMs: 1500');
    expect([disturbed.run.error, disturbed.run.warnings]).toEqual([undefined, []]);
    const asked = ({ requests }: typeof server) => requests.map(({ body }) => JSON.stringify(body));
    expect([...new Set(asked(disturbed.server))]).toEqual(asked(server));
    expect(disturbed.server.requests.length).toBeGreaterThanOrEqual(server.requests.length + 3);
    expect(await metricsOf(disturbed.path)).toEqual(await metricsOf(path));
  });

  it('should lose the groups whose answers cannot be used, each with its reason, and train on the others', async () => {
    // The first request of a group that is lost is its last; each of the others has two.
    const wrong: Readonly<Record<number, (response: ServerResponse, request: RewardRequest) => 'answered'>> =
      {
        3: (response) => sendText(response, 200, 'model is loading'),
        4: (response, { body }) => sendJson(response, { rewards: Array(body.images.length / 2).fill(1) }),
        9: (response, { body }) => sendJson(response, { rewards: Array(body.images.length).fill(null) }),
        10: (response) => sendText(response, 200, ' '.repeat(2 ** 24 + 1)),
        11: (response, { headers }) => sendText(response, 400, `too dark for ${headers.authorization}`),
      };
    process.env.TRIBUTARY_REWARD_TOKEN = 'secret-token';
    onTestFinished(() => {
      delete process.env.TRIBUTARY_REWARD_TOKEN;
    });
    const { server, path, run } = await runWith(
      (request, response) =>
        wrong[request.index]?.(response, request) ??
        sendJson(response, {
          rewards: request.body.images.map(brightness),
          embeddings: request.body.images.map((_, image) => [image, 1 - image]),
        }),
      '',
      '?key=hidden',
    );
    expect(run.error).toBeUndefined();
    expect(
      roundsOf(run).map(({ groups, lostGroups, deadLetters }) => [groups, lostGroups, deadLetters]),
    ).toEqual([
      [2, 2, 2],
      [1, 3, 3],
    ]);
    const lost = (group: string, reason: string, nextStep = 'Correct the service, see docs/rewards.md.') =>
      `group ${group} is not trained on (dead-letter): reward service ${server.url}: expected ${reason} ${nextStep}`;
    expect(run.warnings).toEqual([
      lost('0-0', 'JSON, got "model is loading".'),
      lost('0-1', '2 rewards, one per picture, got 1.'),
      lost('1-0', 'a finite number at rewards[0], got null.'),
      lost('1-1', 'an answer of at most 16777216 bytes, got more.'),
      lost('1-2', 'status 200, got 400, "too dark for Bearer …".', 'Read the log of the service.'),
    ]);
    expect(server.requests).toHaveLength(2 * EVALUATION_REQUESTS + 2 * STAGE_REQUESTS - 5);
    // What was lost stands in the log of the run too.
    expect(JSON.stringify(await metricsOf(path))).toContain('"deadLetters":2');
    // Two pictures a prompt, whose embeddings stand at right angles.
    const measured = eventsOf(run, 'evaluation').map(({ evaluation }) => evaluation.train.diversity);
    expect(measured).toEqual([1, 1]);
    // The token goes to the service, which sends it back, and to nobody else; nor does the query.
    expect(new Set(server.requests.map(({ headers }) => headers.authorization))).toEqual(
      new Set(['Bearer secret-token']),
    );
    expect(JSON.stringify(run)).not.toMatch(/secret|hidden/);
  });
});
