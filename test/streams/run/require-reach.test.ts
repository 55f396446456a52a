import { describe, expect, it } from 'vitest';
import { progressAt } from '../../../src/streams/config/resolved/progress-at.js';
import { RUN_KEY } from '../../../src/streams/messages/messages.js';
import { requireReach } from '../../../src/streams/run/require-reach.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { stageBench } from '../stages/stage-bench.js';

async function reachedStage(trainingStage: number) {
  const overrides = ['checkpoints.keep=2', 'checkpoints.everyStages=3', 'stages.prompts.groupsPerStage=2'];
  const sizes = [
    'stages.sampler.groupsPerBatch=2',
    'stages.trainer.updates={from: stage, samplesPerUpdate: 4}',
  ];
  const { context } = stageBench([
    ...overrides,
    ...sizes,
    'stages.prompts.runAhead=2',
    'stages.prompts.numStages=100',
  ]);
  const { transport, config } = context;
  await transport.publish('progress', { key: RUN_KEY, message: progressAt(config, trainingStage) });
  return (completeStages: number) => requireReach(transport, config, completeStages);
}

describe('requireReach', () => {
  it('should let a run be repeated from as far back as its checkpoints reach', async () => {
    const reach = await reachedStage(10);
    await reach(10);
    await reach(4);
    expect(await faultOf(() => reach(3))).toEqual([
      'TRIB_CHECKPOINT',
      'run tiny: expected a checkpoint at most 6 training stages behind the topics, which are at stage 10, got one at stage 3. Put a newer one back, raise checkpoints.keep to hold 16 groups in memory, or start anew with another --run-dir and transport.kafka.prefix.',
    ]);
  });

  it('should let a run begin anew that had not come to a checkpoint', async () => {
    await (await reachedStage(2))(0);
  });
});
