/** @file Whole runs of the tiny pipeline whose rounds close by time: prompts and rewards trickle in, or never come. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { RoundMetrics, RunEvent } from '../../../src/streams/messages/run-events.js';
import { type Answer, startRewardServer } from '../../fixtures/reward-server.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { eventsOf, isRound, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';

const GROUPS_PER_ROUND = 4;

/** A run whose rounds close by time, with prompts that are posted and rewards of a service, some of which never come. */
async function timedRun() {
  let numGroups = 0;
  const abandoned: Promise<unknown>[] = [];
  // One of every four groups hangs; evaluation, which asks for two pictures at a time, is answered.
  const answer: Answer = ({ body }, response) => {
    if (body.images.length !== 3 || numGroups++ % 4 !== 1) return undefined;
    abandoned.push(new Promise((resolve) => response.once('close', resolve)));
    return 'answered';
  };
  const { url: service } = await startRewardServer(answer);
  const folder = await temporaryFolder();
  const rewards = `{type: reward, from: http, url: '${service}', batchSize: 3, concurrency: 4, timeoutMs: 300000}`;
  const config = await tinyConfig(folder, {
    overrides: [
      `stages.reward=${rewards}`,
      'stages.prompts.source={from: topic, http: {port: 0}}',
      'stages.prompts.numRounds=4',
      // Long enough for some groups, on a slow machine too; how many is never asserted.
      'stages.advantages.closeAfterMs=500',
      'guards.rewardCollapse.action=off',
      'guards.zeroSpreadGroups.action=off',
    ],
  });
  const path = join(folder, 'run');

  /** Posts as many prompts at the start and after each round as `counts` says, and stops where `stopAt` holds. */
  const start = async (counts: number[], stopAt: (event: RunEvent) => boolean, resume = true) => {
    const answers: Promise<number>[] = [];
    let url = '';
    const post = (count: number) => {
      const posted = fetch(`${url}/prompts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompts: Array(count).fill('a red circle above a blue square') }),
      });
      answers.push(posted.then(({ status }) => status));
    };
    const stop = new AbortController();
    const onEvent = (event: RunEvent) => {
      if (event.kind === 'listening') url = event.url;
      if (stopAt(event)) stop.abort();
      const count = event.kind === 'listening' || event.kind === 'round' ? counts.shift() : undefined;
      if (count !== undefined) post(count);
    };
    const run = await runTiny({ config, path, resume, signal: stop.signal, onEvent });
    expect(new Set(await Promise.all(answers))).toEqual(new Set([202]));
    expect([run.error, run.warnings]).toEqual([undefined, []]);
    const rounds = eventsOf(run, 'round').map(({ metrics }) => metrics);
    for (const { groups, lostGroups, lateGroups, selectedSamples } of rounds) {
      expect(groups + lostGroups + lateGroups).toBe(GROUPS_PER_ROUND);
      expect(groups).toBeGreaterThan(0);
      expect(selectedSamples).toBe(2 * groups);
    }
    return { rounds, isFinished: eventsOf(run, 'finished').length === 1 };
  };
  return { start, path, abandoned };
}

const indicesOf = ({ rounds }: { rounds: readonly RoundMetrics[] }) => rounds.map(({ round }) => round);

it('should train on what came in time, give the rest to the next round or let go of it, and go on after a stop', async () => {
  const { start, path, abandoned } = await timedRun();
  // Stopped while the round that was closed by time is trained.
  const first = await start([1], ({ kind }) => kind === 'round', false);
  expect([indicesOf(first), first.isFinished]).toEqual([[0], false]);
  expect(first.rounds[0]?.lateGroups).toBe(3);
  expect(await readdir(join(path, 'checkpoints'))).toEqual(['1']);

  // Stopped in a round. What round 1 leaves open must not swallow the prompts of round 2: those would never begin.
  const second = await start([3, 4], isRound(2));
  expect([indicesOf(second), second.isFinished]).toEqual([[1, 2], false]);
  expect(second.rounds[0]?.lateGroups).toBeGreaterThanOrEqual(2);
  expect(second.rounds[1]?.lateGroups).toBeGreaterThanOrEqual(1);
  // A request that hangs is let go of.
  expect(abandoned.length).toBeGreaterThan(0);
  await abandoned[0];

  const last = await start([1], () => false);
  expect([indicesOf(last), last.isFinished]).toEqual([[3], true]);
  expect(last.rounds[0]?.lateGroups).toBe(3);
});
