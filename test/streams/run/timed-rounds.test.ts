/** @file Whole runs of the tiny pipeline whose rounds close by time: prompts and rewards trickle in, or never come. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RoundMetrics, RunEvent } from '../../../src/streams/messages/run-events.js';
import { type Answer, startRewardServer } from '../../fixtures/reward-server.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { type EndedRun, eventsOf, runTiny, TINY_STAGES, tinyConfig } from '../../fixtures/tiny-run.js';

const GROUPS_PER_STAGE = 4;
const QUIET = ['guards.rewardCollapse.action=off', 'guards.zeroSpreadGroups.action=off'];
/** Long enough for some groups, on a slow machine too; how many is never asserted. */
const BY_TIME = 'stages.advantages.closeAfterMs=500';

const roundsOf = (run: EndedRun) => eventsOf(run, 'round').map(({ metrics }) => metrics);

function expectAllAccountedFor(rounds: readonly RoundMetrics[]): void {
  for (const { groups, lostGroups, lateGroups, selectedSamples } of rounds) {
    expect(groups + lostGroups + lateGroups).toBe(GROUPS_PER_STAGE);
    expect(groups).toBeGreaterThan(0);
    expect(selectedSamples).toBe(2 * groups);
  }
}

describe('a run whose reward never answers for some groups', () => {
  /** One of every four groups hangs; evaluation, which asks for two pictures at a time, is answered. */
  async function start() {
    let numGroups = 0;
    const abandoned: Promise<unknown>[] = [];
    const answer: Answer = ({ body }, response) => {
      if (body.images.length !== 3 || numGroups++ % GROUPS_PER_STAGE !== 1) return undefined;
      abandoned.push(new Promise((resolve) => response.once('close', resolve)));
      return 'answered';
    };
    const { url } = await startRewardServer(answer);
    const folder = await temporaryFolder();
    const rewards = `{type: reward, from: http, url: '${url}', batchSize: 3, concurrency: 4, timeoutMs: 300000}`;
    const overrides = [`stages.reward=${rewards}`, BY_TIME, ...QUIET];
    const config = await tinyConfig(folder, { overrides });
    return { config, path: join(folder, 'run'), abandoned };
  }

  it('should train on the others, count those as late, and let go of the requests', async () => {
    const { abandoned, ...options } = await start();
    const run = await runTiny(options);
    expect([run.error, run.warnings]).toEqual([undefined, []]);
    const rounds = roundsOf(run);
    expect(rounds.map(({ round }) => round)).toEqual([0, 1, 2]);
    expectAllAccountedFor(rounds);
    expect(rounds[0]?.lateGroups).toBeGreaterThan(0);
    expect(eventsOf(run, 'finished')).toHaveLength(1);
    expect(abandoned.length).toBeGreaterThan(0);
    await abandoned[0];
  });

  it('should finish the round in flight when it is stopped, and go on after a resume', async () => {
    const { abandoned: _, ...options } = await start();
    const stop = new AbortController();
    const stopped = await runTiny({
      ...options,
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'progress' && event.round === 1) stop.abort();
      },
    });
    expect(stopped.error).toBeUndefined();
    expect(roundsOf(stopped).map(({ round }) => round)).toEqual([0, 1]);
    const resumed = await runTiny({ ...options, resume: true });
    expect(resumed.error).toBeUndefined();
    expect(roundsOf(resumed).map(({ round }) => round)).toEqual([2]);
    expectAllAccountedFor([...roundsOf(stopped), ...roundsOf(resumed)]);
    expect(eventsOf(resumed, 'finished')).toHaveLength(1);
  });
});

describe('a run whose prompts trickle in', () => {
  async function start(
    onEvent: (event: RunEvent, post: (count: number) => void) => void,
    signal?: AbortSignal,
  ) {
    const folder = await temporaryFolder();
    const source = 'stages.prompts.source={from: topic, http: {port: 0}}';
    const config = await tinyConfig(folder, { overrides: [source, BY_TIME, ...QUIET] });
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
    const run = await runTiny({
      config,
      path: join(folder, 'run'),
      ...(signal && { signal }),
      onEvent: (event) => {
        if (event.kind === 'listening') url = event.url;
        onEvent(event, post);
      },
    });
    expect(new Set(await Promise.all(answers))).toEqual(new Set([202]));
    return { run, path: join(folder, 'run'), config };
  }

  it('should train on those that came, and give what comes later to the next round', async () => {
    // What round 0 leaves open must not swallow the prompts of the others: those would never begin.
    const counts = [2, 4, 1];
    const { run } = await start((event, post) => {
      const count = event.kind === 'listening' || event.kind === 'round' ? counts.shift() : undefined;
      if (count !== undefined) post(count);
    });
    expect([run.error, run.warnings]).toEqual([undefined, []]);
    const rounds = roundsOf(run);
    expect(rounds).toHaveLength(TINY_STAGES);
    expectAllAccountedFor(rounds);
    expect(rounds[0]?.lateGroups).toBeGreaterThanOrEqual(2);
    expect(rounds[2]?.lateGroups).toBe(3);
  });

  it('should save the round that was closed by time when it is stopped while that is trained', async () => {
    const stop = new AbortController();
    const { run, path, config } = await start((event, post) => {
      if (event.kind === 'listening') post(1);
      if (event.kind === 'round') stop.abort();
    }, stop.signal);
    expect([run.error, roundsOf(run).length]).toEqual([undefined, 1]);
    expect(await readdir(join(path, 'checkpoints'))).toEqual(['1']);
    const again = await runTiny({ config, path, resume: true, signal: AbortSignal.abort() });
    expect([again.error, roundsOf(again)]).toEqual([undefined, []]);
  });
});
