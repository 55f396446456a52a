/** @file A run that people reward, and one that a reward worker helps: right, wrong, and far too often. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openDeadLetters } from '../../src/streams/run/dead-letters.js';
import { SKIP_REASON } from './cluster.js';
import { partedRun } from './parted-run.js';

/** More than may wait for the trainer. */
const REPEATS = 100;

describe.skipIf(SKIP_REASON !== null)('external rewards', () => {
  it('should count as such, once however often they come, and as lost if too few or vast', async () => {
    const { transport, ...run } = await partedRun(['stages.prompts.numRounds=2']);
    const few = { groupId: '1-3', round: 1, rewards: [1, 2] };
    const vast = { groupId: '0-2', round: 0, rewards: [1, 1e200, 2] };
    for (const message of [few, vast, ...Array(REPEATS).fill(few)])
      await transport.publish('rewards', { key: message.groupId, message });
    const again = transport
      .subscribe({ topic: 'rewards', consumerGroup: 'test', maxInFlight: 64 })
      .subscribe(({ message, key, headers, ack }) => {
        ack();
        if (headers.again) return;
        const again = { headers: { again: 'yes' } };
        void transport.publish('rewards', { key: `${key} again`, message, ...again });
        void transport.publish('rewards', { key, message: { ...message, rewards: [9, 9, 9] }, ...again });
      });
    onTestFinished(() => again.unsubscribe());
    const trainer = run.start('prompts,sampler,trainer');
    await run.sampled(0);
    await run.reward(0, [0, 1, 3], 'people');
    await run.sampled(1);
    await run.reward(1, [0, 1], 'worker');
    await run.reward(1, [2], 'people');
    expect(await trainer.ended).toMatchObject({ code: 0, faults: [] });

    const rounds = await run.rounds();
    expect(
      rounds.map(({ groups, lostGroups, rewardQueries, outsideRewards }) => ({
        groups,
        lostGroups,
        rewardQueries,
        outsideRewards,
      })),
    ).toEqual([
      { groups: 3, lostGroups: 1, rewardQueries: 0, outsideRewards: 9 },
      { groups: 3, lostGroups: 1, rewardQueries: 6, outsideRewards: 3 },
    ]);
    const report = await readFile(join(run.path, 'report.html'), 'utf8');
    expect(report).toContain('6 reward queries and 12 external rewards in 2 rounds');
    expect(report).toContain('<h3>External rewards</h3>');

    expect(trainer.log.map(({ msg }) => msg)).toContainEqual(
      expect.stringMatching(/^group 1-3 is not trained on \(dead-letter\): .*expected 3 rewards, got 2/),
    );
    const opened = await openDeadLetters(run.config, () => undefined);
    onTestFinished(() => opened.close());
    const letters = await opened.newest(REPEATS);
    expect(letters.map(({ key, reason }) => `${key}: ${reason}`).sort()).toEqual([
      expect.stringMatching(/^0-2: .*expected a reward from -1e\+15 to 1e\+15 for branch 1, got 1e\+200\./),
      expect.stringMatching(/^1-3: .*expected 3 rewards, got 2\./),
    ]);
    const skipped = trainer.log.filter(({ msg }) => msg === 'messages skipped');
    // Many of a group that waits for its others, and none takes the room of those.
    expect(skipped.reduce((sum, { repeated }) => sum + Number(repeated), 0)).toBeGreaterThanOrEqual(REPEATS);
    expect(await readFile(join(run.path, 'metrics.jsonl'), 'utf8')).not.toContain('passed-over');
  }, 240_000);
});
