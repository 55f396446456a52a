/** @file A whole run with two rewards that are combined, an operator on the prompts and a tap on one of the rewards. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { composedTiny } from '../../fixtures/composed-tiny.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { eventsOf, runTiny } from '../../fixtures/tiny-run.js';

it('should combine two rewards by GDPO, count what an operator drops, and copy what a tap sees', async () => {
  const folder = await temporaryFolder();
  const config = await composedTiny(folder);
  const run = await runTiny({ config, path: join(folder, 'run') });
  expect(run.error).toBeUndefined();
  expect(run.warnings).toEqual([
    'group 1-1 is not trained on (dropped): the operator stage "without" dropped it from prompts',
  ]);
  const [first, second] = eventsOf(run, 'round').map(({ metrics }) => metrics);
  expect(first).toMatchObject({
    groups: 4,
    lostGroups: 0,
    rewardQueries: 24,
    rewardParts: { reward: { groups: 4 }, red: { groups: 4 } },
  });
  expect(second).toMatchObject({ groups: 3, lostGroups: 1, droppedGroups: 1, rewardQueries: 42 });
  const { reward, red } = first?.rewardParts ?? {};
  expect(first?.rewardMean).toBeCloseTo((reward?.mean ?? 0) + 2 * (red?.mean ?? 0), 10);
  // Every branch of a group that teaches is trained on.
  expect(first?.selectedSamples).toBe(12);
  for (const { evaluation } of eventsOf(run, 'evaluation')) {
    const { rewardMean, rewardParts, verifiedAlignment } = evaluation.train;
    expect(rewardMean).toBeCloseTo((rewardParts?.reward ?? 0) + 2 * (rewardParts?.red ?? 0), 10);
    expect(verifiedAlignment).not.toBeNull();
  }
  expect(eventsOf(run, 'operated')).toEqual([
    { kind: 'operated', stage: 'without', passed: 4, dropped: 0, failed: 0 },
    { kind: 'operated', stage: 'without', passed: 3, dropped: 1, failed: 0 },
  ]);
  const copies = (await readFile(join(folder, 'second.jsonl'), 'utf8')).trim().split('\n');
  expect(copies.map((line) => JSON.parse(line).key).sort()).toEqual([
    '0-0',
    '0-1',
    '0-2',
    '0-3',
    '1-0',
    '1-2',
    '1-3',
  ]);
});
