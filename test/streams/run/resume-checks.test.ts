import { describe, expect, it } from 'vitest';
import { progressAt } from '../../../src/streams/config/resolved/progress-at.js';
import { RUN_KEY } from '../../../src/streams/messages/messages.js';
import type { ListedPrompt } from '../../../src/streams/messages/prompts.js';
import { fingerprintsOf, promptFingerprint } from '../../../src/streams/prompt-files/prompt-fingerprint.js';
import {
  requireReach,
  requireSamePrompts,
  requireTrainersPrompts,
} from '../../../src/streams/run/resume-checks.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { listed } from '../../fixtures/listed-prompts.js';
import { stageBench } from '../stages/stage-bench.js';

const NONE = { comments: 0, emptyLines: 0, weightZero: 0 };
const file = (path: string, prompts: readonly ListedPrompt[]) => ({
  path,
  prompts,
  leftOut: NONE,
  repeats: 0,
  fingerprint: promptFingerprint(prompts),
});
const lists = (...train: readonly ListedPrompt[]) => ({
  train: file('train.txt', train),
  heldOut: file('held-out.txt', listed('c')),
});
const progress = { finishedGroups: 0, round: 0, isOver: false, sharedConfig: '' };

describe('requireSamePrompts', () => {
  const before = {
    path: 'checkpoints/2',
    state: { promptFingerprints: fingerprintsOf(lists(...listed('a', 'b'))) },
  };

  it('should take the same prompts', () => {
    requireSamePrompts(lists(...listed('a', 'b')), before);
  });

  it('should refuse other prompts, weights and metadata, naming both lists', async () => {
    const hash = (prompts: readonly ListedPrompt[]) => promptFingerprint(prompts).sha256.slice(0, 16);
    const [was, is] = [listed('a', 'b'), listed('a', 'b', 'd')];
    expect(await faultOf(() => requireSamePrompts(lists(...is), before))).toEqual([
      'TRIB_CHECKPOINT',
      `stages.prompts.train train.txt: expected 2 prompts (SHA-256 ${hash(was)}), as in checkpoints/2, got 3 prompts (SHA-256 ${hash(is)}). Restore the file; or start a new run from the adapter of this one, with --run-dir and model.startFrom.`,
    ]);
    for (const change of [{ weight: 2 }, { metadata: { x: 1 } }]) {
      const [first = listed('a')[0], ...others] = was;
      const changed = { ...first, ...change } as ListedPrompt;
      expect((await faultOf(() => requireSamePrompts(lists(changed, ...others), before)))[0]).toBe(
        'TRIB_CHECKPOINT',
      );
    }
    const heldOut = { ...lists(...was), heldOut: file('held-out.txt', listed('d')) };
    expect((await faultOf(() => requireSamePrompts(heldOut, before)))[1]).toMatch(
      /^stages.prompts.heldOut held-out.txt: /,
    );
  });
});

describe('requireTrainersPrompts', () => {
  const own = lists(...listed('a', 'b'));
  const { train } = own;

  it('should take those of the trainer, and a trainer that does not say', () => {
    requireTrainersPrompts(own, { ...progress, trainPrompts: train.fingerprint.sha256 });
    requireTrainersPrompts(own, progress);
  });

  it('should refuse others', async () => {
    const [code, text] = await faultOf(() =>
      requireTrainersPrompts(own, { ...progress, trainPrompts: 'f'.repeat(64) }),
    );
    expect([code, text]).toEqual([
      'TRIB_CONFIG',
      expect.stringMatching(
        /^stages.prompts.train train.txt: expected the prompts of the trainer \(SHA-256 f{16}\), got 2 prompts/,
      ),
    ]);
  });
});

async function reachedRound(round: number) {
  const overrides = ['checkpoints.keep=2', 'checkpoints.everyRounds=3', 'stages.prompts.groupsPerRound=2'];
  const sizes = [
    'stages.sampler.groupsPerBatch=2',
    'stages.trainer.updates={from: round, samplesPerUpdate: 4}',
  ];
  const { context } = stageBench([
    ...overrides,
    ...sizes,
    'stages.prompts.runAhead=2',
    'stages.prompts.numRounds=100',
  ]);
  const { transport, config } = context;
  await transport.publish('progress', { key: RUN_KEY, message: progressAt(config, round) });
  return (completeRounds: number) => requireReach(transport, config, completeRounds);
}

describe('requireReach', () => {
  it('should let a run be repeated from as far back as its checkpoints reach', async () => {
    const reach = await reachedRound(10);
    await reach(10);
    await reach(4);
    expect(await faultOf(() => reach(3))).toEqual([
      'TRIB_CHECKPOINT',
      'run tiny: expected a checkpoint at most 6 rounds behind the topics, which are at round 10, got one at round 3. Put a newer one back, raise checkpoints.keep to hold 16 groups in memory, or start anew with another --run-dir and transport.kafka.prefix.',
    ]);
  });

  it('should let a run begin anew that had not come to a checkpoint', async () => {
    await (await reachedRound(2))(0);
  });
});
