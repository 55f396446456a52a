import { Subscription } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { lintTopology } from '../../../../src/streams/config/lint-topology.js';
import { stageOf } from '../../../../src/streams/config/resolved/stage-of.js';
import { GatewayStore } from '../../../../src/streams/stages/gateway/gateway-store.js';
import { GroupBook } from '../../../../src/streams/stages/gateway/group-book.js';
import { newRecord } from '../../../../src/streams/stages/gateway/group-record.js';
import { GroupVotes } from '../../../../src/streams/stages/gateway/group-votes.js';
import { raterWeights } from '../../../../src/streams/stages/gateway/rater-weights.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { SMALLEST } from '../../config/valid-config.js';
import { drawnOf } from './gateway-bench.js';

const idOf = (index: number) => `g-${String(index).padStart(24, '0')}`;
const at = (index: number) => new Date(index).toISOString();

function settingsWith(weights: 'alike' | 'agreement') {
  const overrides = [
    'stages.gateway.type=gateway',
    'stages.prompts.source.from=topic',
    'stages.gateway.feedback.voters=3',
    `stages.gateway.feedback.weights=${weights}`,
  ];
  const { config } = lintTopology(SMALLEST, 'smallest.yaml', { overrides });
  if (!config) throw new Error('expected a config');
  return stageOf(config, 'gateway');
}

/** ann and bo look, and lazy always names the first picture. */
const votesOn = (index: number) =>
  ['ann', 'bo', 'lazy'].map((voter) => ({
    ...{ groupId: idOf(index), voter, at: at(index) },
    judgment: { best: voter === 'lazy' ? 0 : (index * 7) % 4 },
  }));

function votesOf(groups: number): GroupVotes {
  const votes = new GroupVotes();
  for (let index = 0; index < groups; index++) for (const line of votesOn(index)) votes.set(line);
  return votes;
}

describe('raterWeights', () => {
  it('should weigh those down who do not look, once there are some groups', () => {
    const votes = votesOf(7);
    const weightOf = raterWeights(settingsWith('agreement'), votes);
    expect(weightOf?.('lazy')).toBe(0.8);
    for (let index = 7; index < 40; index++) for (const line of votesOn(index)) votes.set(line);
    expect(weightOf?.('lazy')).toBeLessThan(0.4);
    expect(weightOf?.('ann')).toBeGreaterThan(0.9);
    expect(weightOf?.('new')).toBe(0.8);
  });

  it('should judge by the newest groups alone', () => {
    const votes = votesOf(40);
    for (let index = 40; index < 340; index++)
      for (const { voter, ...line } of votesOn(index)) if (voter !== 'lazy') votes.set({ ...line, voter });
    expect(raterWeights(settingsWith('agreement'), votes)?.('lazy')).toBe(0.8);
  });

  it('should read no evidence from those who skip or name several', () => {
    const votes = votesOf(10);
    for (let index = 0; index < 10; index++) {
      votes.set({ groupId: idOf(index), voter: 'cy', judgment: { skip: true }, at: at(index) });
      votes.set({ groupId: idOf(index), voter: 'di', judgment: { ratings: [1, 1, 0, 0] }, at: at(index) });
    }
    const weightOf = raterWeights(settingsWith('agreement'), votes);
    expect([weightOf?.('cy'), weightOf?.('di')]).toEqual([0.8, 0.8]);
  });

  it('should let all count alike unless the settings say otherwise', () => {
    expect(raterWeights(settingsWith('alike'), votesOf(40))).toBeUndefined();
  });
});

describe('a group book', () => {
  it.each([
    ['alike', 2 / 3, 2 / 3],
    ['agreement', 0.7, 1],
  ] as const)('should decide by votes that count %s', async (weights, least, most) => {
    const groups = Array.from({ length: 20 }, (_, index) => {
      const request = {
        id: idOf(index),
        prompt: 'a',
        seed: 1,
        requestedBy: 'ann',
        requestedAt: index,
        expiresAt: 1,
      };
      const drawn = drawnOf(request);
      if ('fault' in drawn) throw new Error(drawn.fault);
      return drawn;
    });
    const decision = { order: 0, votes: 3, rewards: [0, 0, 0, 1], agreement: 1 };
    const kept = groups
      .slice(0, -1)
      .map((drawn, order) => ({ ...newRecord(drawn), decision: { ...decision, order } }));
    const { store } = await GatewayStore.open(await temporaryFolder(), () => undefined);
    const settings = { ...settingsWith(weights), feedbackWithinMs: 2 ** 31 - 1 };
    const book = new GroupBook({
      ...{ settings, maxStaleness: 9, store, finishedRounds: 0, deletionHours: 1 },
      kept: { groups: kept, votes: kept.flatMap((_, index) => votesOn(index)), deletions: [] },
      scheduler: { now: () => 0, schedule: () => new Subscription() },
    });
    onTestFinished(() => book.close());
    const last = groups.at(-1);
    if (!last) throw new Error('expected a group');
    await book.take(last);
    for (const { at, ...line } of votesOn(19)) await book.judge({ ...line, givenAt: Date.parse(at) });
    const { rewards, agreement } = book.find(idOf(19)) ?? {};
    expect(rewards?.[(19 * 7) % 4]).toBeGreaterThanOrEqual(least);
    expect(rewards?.[(19 * 7) % 4]).toBeLessThanOrEqual(most);
    expect(agreement).toBeCloseTo(2 / 3, 12);
    await store.flushed();
  });
});
