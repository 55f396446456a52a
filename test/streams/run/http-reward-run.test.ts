/** @file Whole runs of the tiny pipeline whose pictures are scored by a service. */

import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { toRgb8 } from '../../../src/models/images/picture.js';
import { readPromptLists } from '../../../src/streams/prompt-files/read-prompts.js';
import { startSampler } from '../../../src/streams/stages/sampler/client.js';
import type { Answer, RewardRequest } from '../../fixtures/reward-server.js';
import { brightness, sendJson, sendText, startRewardServer } from '../../fixtures/reward-server.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { eventsOf, metricsOf, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';

/** The base model: 2 training prompts and a held-out one. Then 2 rounds of 4 groups, 3 pictures in 2 requests each. */
const EVALUATION_REQUESTS = 3;
const STAGE_REQUESTS = 8;

const configWith = (folder: string, url: string, ...overrides: string[]) =>
  tinyConfig(folder, {
    overrides: [
      `stages.reward={type: reward, from: http, url: '${url}', batchSize: 2}`,
      'stages.prompts.numRounds=2',
      'guards.rewardCollapse.action=off',
      'guards.zeroSpreadGroups.action=off',
      ...overrides,
    ],
  });

async function runWith(answer: Answer = () => undefined) {
  const server = await startRewardServer(answer);
  const folder = await temporaryFolder();
  const config = await configWith(folder, server.url);
  const path = join(folder, 'run');
  return { server, config, path, run: await runTiny({ config, path }) };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const rewardsOf = (requests: readonly RewardRequest[]) =>
  requests.flatMap(({ body }) => body.images.map(brightness));
const roundsOf = (run: Parameters<typeof eventsOf>[0]) =>
  eventsOf(run, 'round').map(({ metrics }) => metrics);

describe('a run that is rewarded by a service', () => {
  it('should train on what the service says of the pictures that the sampler drew', async () => {
    const { server, config, run } = await runWith();
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
  });

  it('should lose the groups that the service refuses, with a warning, and go on', async () => {
    const refused = [EVALUATION_REQUESTS, EVALUATION_REQUESTS + 5];
    const { server, run } = await runWith(({ index, body }, response) => {
      if (refused.includes(index)) return sendText(response, 400, 'too dark');
      return sendJson(response, {
        rewards: body.images.map(brightness),
        embeddings: body.images.map((_, image) => [image, 1 - image]),
      });
    });
    expect(run.error).toBeUndefined();
    const rounds = roundsOf(run);
    expect(rounds.map(({ groups, lostGroups, deadLetters }) => [groups, lostGroups, deadLetters])).toEqual([
      [2, 2, 2],
      [4, 0, 0],
    ]);
    expect(run.warnings).toHaveLength(2);
    for (const warning of run.warnings)
      expect(warning).toMatch(
        new RegExp(
          `^group 0-\\d is not trained on \\(dead-letter\\): reward service ${server.url}: expected status 200, got 400, "too dark"\\. Read`,
        ),
      );
    // Two pictures a prompt, whose embeddings stand at right angles.
    const measured = eventsOf(run, 'evaluation').map(({ evaluation }) => evaluation.train.diversity);
    expect(measured).toEqual([1, 1]);
  });

  it('should lose the groups whose answers are not as agreed, each with its reason, and train on the others', async () => {
    // The first request of a group that is lost is its last; each of the others has two.
    const wrong: Readonly<Record<number, (response: ServerResponse, count: number) => 'answered'>> = {
      3: (response) => sendText(response, 200, 'model is loading'),
      4: (response, count) => sendJson(response, { rewards: Array(count / 2).fill(1) }),
      9: (response, count) => sendJson(response, { rewards: Array(count).fill(null) }),
      10: (response) => sendText(response, 200, ' '.repeat(2 ** 24 + 1)),
    };
    const { server, path, run } = await runWith(({ index, body }, response) =>
      wrong[index]?.(response, body.images.length),
    );
    expect(run.error).toBeUndefined();
    expect(
      roundsOf(run).map(({ groups, lostGroups, deadLetters }) => [groups, lostGroups, deadLetters]),
    ).toEqual([
      [2, 2, 2],
      [2, 2, 2],
    ]);
    const lost = (group: string, reason: string) =>
      `group ${group} is not trained on (dead-letter): reward service ${server.url}: expected ${reason} Correct the service, see docs/rewards.md.`;
    expect(run.warnings).toEqual([
      lost('0-0', 'JSON, got "model is loading".'),
      lost('0-1', '2 rewards, one per picture, got 1.'),
      lost('1-0', 'a finite number at rewards[0], got null.'),
      lost('1-1', 'an answer of at most 16777216 bytes, got more.'),
    ]);
    expect(server.requests).toHaveLength(2 * EVALUATION_REQUESTS + 2 * (STAGE_REQUESTS - 2));
    // What was lost stands in the log of the run too.
    expect(JSON.stringify(await metricsOf(path))).toContain('"deadLetters":2');
  });

  it('should train on all groups though the service hangs once', async () => {
    const server = await startRewardServer(({ index }) =>
      index === EVALUATION_REQUESTS ? 'answered' : undefined,
    );
    const folder = await temporaryFolder();
    const rewards = `{type: reward, from: http, url: '${server.url}', batchSize: 2, timeoutMs: 3000}`;
    const config = await configWith(
      folder,
      server.url,
      `stages.reward=${rewards}`,
      'stages.prompts.numRounds=1',
    );
    const run = await runTiny({ config, path: join(folder, 'run') });
    expect([run.error, run.warnings]).toEqual([undefined, []]);
    expect(roundsOf(run)).toMatchObject([{ groups: 4, lostGroups: 0 }]);
    expect(server.requests.length).toBeGreaterThan(2 * EVALUATION_REQUESTS + STAGE_REQUESTS);
  });

  it('should come to the same where the service is away for a while', async () => {
    const away = [EVALUATION_REQUESTS + 2, EVALUATION_REQUESTS + 3];
    const disturbed = await runWith(({ index }, response) => {
      if (!away.includes(index)) return undefined;
      if (index === away[0]) {
        response.destroy();
        return 'answered';
      }
      return sendText(response, 503, 'starting');
    });
    expect([disturbed.run.error, disturbed.run.warnings]).toEqual([undefined, []]);
    const undisturbed = await runWith();
    expect(disturbed.server.requests.length - undisturbed.server.requests.length).toBe(away.length);
    expect(await metricsOf(disturbed.path)).toEqual(await metricsOf(undisturbed.path));
  });

  it('should say which service is not there, before anything is trained', async () => {
    const server = await startRewardServer();
    await server.close();
    const folder = await temporaryFolder();
    const config = await configWith(folder, `${server.url}?key=hidden`);
    const run = await runTiny({ config, path: join(folder, 'run') });
    expect(run.error).toMatchObject({
      code: 'TRIB_REWARD',
      message: `reward service ${server.url}: expected an answer, got ECONNREFUSED in 5 attempts. Start the service, or correct the url of the reward stage.`,
    });
    expect(eventsOf(run, 'round')).toEqual([]);
  });

  describe('with a token', () => {
    beforeEach(() => {
      process.env.TRIBUTARY_REWARD_TOKEN = 'secret-token';
      return () => {
        delete process.env.TRIBUTARY_REWARD_TOKEN;
      };
    });

    it('should send it, and tell nobody else', async () => {
      const { server, run } = await runWith(({ headers }, response) =>
        sendText(response, 401, `unknown: ${headers.authorization}`),
      );
      expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer secret-token']);
      expect((run.error as Error).message).toContain(
        'got 401, "unknown: Bearer …". Set TRIBUTARY_REWARD_TOKEN',
      );
      expect(JSON.stringify(run.events)).not.toContain('secret');
    });
  });
});
