import { describe, expect, it } from 'vitest';
import type { ConsumeOptions, LogDriver } from '../../../../src/streams/transport/kafka/log-driver.js';
import { takeSeat } from '../../../../src/streams/transport/kafka/take-seat.js';
import { faultOf } from '../../../fixtures/fault-of.js';

/** A cluster whose seat is held so many times that one asks. */
function heldFor(times: number) {
  const joined: string[] = [];
  const warnings: string[] = [];
  let asked = 0;
  const driver = {
    membersOf: async () => {
      asked += 1;
      return asked <= times ? ['process 7 on elsewhere'] : [];
    },
    consume: async ({ consumerGroup }: ConsumeOptions) => void joined.push(consumerGroup),
  } as unknown as LogDriver;
  const options = {
    driver,
    seat: 'run.trainer',
    holder: 'trainer',
    topic: 'run.progress',
    warn: (message: string) => void warnings.push(message),
    pause: async () => undefined,
  };
  return { options, joined, warnings };
}

describe('takeSeat', () => {
  it('should take a free seat at once and silently', async () => {
    const { options, joined, warnings } = heldFor(0);
    await takeSeat(options);
    expect([joined, warnings]).toEqual([['run.trainer'], []]);
  });

  it('should wait, with a warning, for the seat of a process that has died', async () => {
    const { options, joined, warnings } = heldFor(12);
    await takeSeat(options);
    expect(joined).toEqual(['run.trainer']);
    expect(warnings).toEqual([expect.stringContaining('the trainer of the run is process 7 on elsewhere')]);
  });

  it('should refuse a seat whose holder stays, and name it', async () => {
    const { options, joined } = heldFor(Number.POSITIVE_INFINITY);
    const [code, message] = await faultOf(() => takeSeat(options));
    expect(code).toBe('TRIB_USAGE');
    expect(message).toMatch(/^run run\.trainer: expected no active trainer, got process 7 on elsewhere\./);
    expect(joined).toEqual([]);
  });
});
