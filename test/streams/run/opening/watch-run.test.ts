import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { watchRun } from '../../../../src/streams/run/opening/watch-run.js';
import { processName } from '../../../../src/streams/transport/process-name.js';
import { stageBench } from '../../stages/stage-bench.js';

const GATEWAY = ['stages.gateway.type=gateway', 'stages.prompts.source.from=topic'];

function start(overrides: readonly string[] = GATEWAY) {
  const { context } = stageBench(overrides);
  const { config, transport } = context;
  const watch = watchRun(config, transport, 'test');
  onTestFinished(() => watch.close());
  const read = (topic: 'prompts' | 'images' | 'prompts-to-sample', consumerGroup: string) =>
    transport.subscribe({ topic: topic as 'prompts', consumerGroup, maxInFlight: 1 }).subscribe();
  const bury = (index: number) => {
    const message = { groupId: `0-${index}`, round: 0, rewards: [1] };
    const headers = { origin: 'rewards', stage: 'trainer', reason: `reason ${index}` };
    return transport.publish('dead-letters', { key: message.groupId, message, headers });
  };
  return { transport, watch, read, bury };
}

const ROLES = ['prompts', 'sampler', 'reward', 'trainer', 'gateway'];

describe('watchRun', () => {
  it('should say who is at work in each role, and in which nobody is', async () => {
    const { watch, read, transport } = start();
    const atWork = async () =>
      Object.fromEntries((await watch.atWork())?.map(({ role, process }) => [role, process]) ?? []);
    expect(await atWork()).toEqual(Object.fromEntries(ROLES.map((role) => [role, null])));
    // Behind a gateway, samplers read what it passes on.
    const sampler = read('prompts-to-sample', 'samplers');
    read('prompts', 'gateways');
    read('images', 'rewards');
    expect(await atWork()).toEqual({
      ...Object.fromEntries(ROLES.map((role) => [role, null])),
      ...{ sampler: processName(), gateway: processName(), reward: processName() },
    });
    sampler.unsubscribe();
    expect((await atWork()).sampler).toBeNull();
    await transport.close();
    expect(await watch.atWork()).toBeNull();
  });

  it('should name a process once in a role, however many readers it has', async () => {
    const { watch, read } = start();
    for (let index = 0; index < 3; index++) read('images', 'rewards');
    const rewarding = (await watch.atWork())?.filter(({ role }) => role === 'reward');
    expect(rewarding).toEqual([{ role: 'reward', process: processName() }]);
  });

  it('should keep the newest letters, the newest first', async () => {
    const { watch, bury } = start();
    for (let index = 0; index < 25; index++) await bury(index);
    await vi.waitFor(() => expect(watch.givenUp()[0]?.group).toBe('0-24'));
    expect(watch.givenUp()).toHaveLength(20);
    expect(watch.givenUp()[0]).toEqual({ stage: 'trainer', group: '0-24', reason: 'reason 24' });
  });

  it('should hold nothing up, and read no more once it is closed', async () => {
    const { watch, bury, transport } = start();
    watch.close();
    await bury(1);
    expect(watch.givenUp()).toEqual([]);
    expect(await transport.readers('dead-letters', 'watch-test')).toEqual([]);
  });
});
