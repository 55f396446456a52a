import { describe, expect, it } from 'vitest';
import { progressAt } from '../../../src/streams/config/resolved/progress-at.js';
import { RUN_KEY } from '../../../src/streams/messages/messages.js';
import { requireReach } from '../../../src/streams/run/require-reach.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { stageBench } from '../stages/stage-bench.js';

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
