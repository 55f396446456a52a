import { firstValueFrom, take, toArray } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import { TributaryError } from '../../../../src/errors.js';
import type { Delivery } from '../../../../src/streams/transport/contract/transport.js';
import type {
  ConsumeOptions,
  LogDriver,
  LogRecord,
} from '../../../../src/streams/transport/kafka/log-driver.js';
import { type QueueReaderOptions, readQueue } from '../../../../src/streams/transport/kafka/queue-reader.js';

const record = (offset: number, text: string): LogRecord => ({
  partition: 0,
  offset: BigInt(offset),
  key: text,
  value: Buffer.from(text),
  headers: {},
});

/** A log of two partitions, one of them empty, that hands its records to the consumer as soon as there is one. */
function logOf(records: readonly LogRecord[]) {
  const committed: bigint[] = [];
  const assigned: Record<number, bigint>[] = [];
  let assign = () => 0;
  const driver = {
    async consume({ onAssigned, onRecords }: ConsumeOptions) {
      assign = () => assigned.push(Object.fromEntries(onAssigned([0, 1])));
      assign();
      // A client fetches again after a fault, and says nothing.
      onRecords(records).catch(() => undefined);
      return {
        commit: async (_: number, offset: bigint) => void committed.push(offset),
        resume: () => undefined,
        close: async () => undefined,
      };
    },
  } as unknown as LogDriver;
  return { driver, committed, assigned, reassign: () => assign() };
}

const options = (driver: LogDriver, changes: Partial<QueueReaderOptions> = {}): QueueReaderOptions => ({
  driver,
  topic: 'work',
  consumerGroup: 'group',
  maxInFlight: 8,
  maxWaiting: 8,
  maxAttempts: 2,
  decode: async ({ value }) => {
    const text = Buffer.from(value).toString('utf8');
    if (text === '?')
      throw new TributaryError('TRIB_MESSAGE', 'text: expected letters, got ?. Write letters.');
    return text;
  },
  deadLetter: async () => undefined,
  startAt: null,
  onReading: () => undefined,
  onLeaving: () => undefined,
  ...changes,
});

describe('readQueue', () => {
  it('should bury what cannot be read, and go on', async () => {
    const buried: [bigint, string, number][] = [];
    const deadLetter: QueueReaderOptions['deadLetter'] = async ({ offset }, reason, attempts) =>
      void buried.push([offset, reason, attempts]);
    const { driver } = logOf([record(0, 'a'), record(1, '?'), record(2, 'b')]);
    const read = await firstValueFrom(readQueue(options(driver, { deadLetter })).pipe(take(2), toArray()));
    expect(read.map(({ message }) => message)).toEqual(['a', 'b']);
    expect(buried).toEqual([[1n, 'text: expected letters, got ?. Write letters.', 1]]);
  });

  it('should err where a dead letter is not accepted, and commit nothing beyond it', async () => {
    const { driver, committed } = logOf([record(0, '?')]);
    const deadLetter = async () => {
      throw new TributaryError('TRIB_TRANSPORT', 'the cluster is gone');
    };
    await expect(firstValueFrom(readQueue(options(driver, { deadLetter })))).rejects.toMatchObject({
      code: 'TRIB_TRANSPORT',
    });
    expect(committed).toEqual([]);
  });

  it('should err where reading fails in a way that no message can cause', async () => {
    const { driver } = logOf([record(0, 'a')]);
    const decode = async () => {
      throw new RangeError('a fault of the program');
    };
    await expect(firstValueFrom(readQueue(options(driver, { decode })))).rejects.toThrow(
      'a fault of the program',
    );
  });

  it('should give repeats of what is being worked on no room, and commit them with it', async () => {
    const records = ['a', 'a', 'a', 'b', 'a'].map((text, offset) => record(offset, text));
    const { driver, committed } = logOf(records);
    const read: Delivery<unknown>[] = [];
    const onRepeat = vi.fn();
    const reading = readQueue(options(driver, { maxWaiting: 1, onRepeat })).subscribe((delivery) =>
      read.push(delivery),
    );
    await vi.waitFor(() => expect(onRepeat).toHaveBeenCalledTimes(3));
    expect(read.map(({ message }) => message)).toEqual(['a', 'b']);
    read[1]?.ack();
    await vi.waitFor(() => expect(committed).toEqual([0n]));
    read[0]?.ack();
    await vi.waitFor(() => expect(committed.at(-1)).toBe(5n));
    reading.unsubscribe();
  });

  it('should keep the place of a held record that comes once more, and commit nothing beyond it', async () => {
    const committed: bigint[] = [];
    let consumer: ConsumeOptions | undefined;
    const driver = {
      async consume(asked: ConsumeOptions) {
        consumer = asked;
        return {
          commit: async (_: number, offset: bigint) => void committed.push(offset),
          resume: () => undefined,
          close: async () => undefined,
        };
      },
    } as unknown as LogDriver;
    const read: Delivery<unknown>[] = [];
    const onRepeat = vi.fn();
    const reading = readQueue(options(driver, { onRepeat })).subscribe((delivery) => read.push(delivery));
    const records = ['a', 'a', 'a', 'b'].map((text, offset) => record(offset, text));
    consumer?.onAssigned([0]);
    await consumer?.onRecords(records);
    // The partition goes and comes back: what was taken of it comes again, the held record among it.
    for (const partitions of [[], [0]]) consumer?.onAssigned(partitions);
    await consumer?.onRecords(records);
    expect(read.map(({ message }) => message)).toEqual(['a', 'b']);
    // Two repeats at first; then all four are repeats of what is held.
    expect(onRepeat).toHaveBeenCalledTimes(6);
    read[1]?.ack();
    await vi.waitFor(() => expect(committed).toContain(0n));
    expect(new Set(committed)).toEqual(new Set([0n]));
    read[0]?.ack();
    await vi.waitFor(() => expect(committed.at(-1)).toBe(4n));
    reading.unsubscribe();
  });

  it.each([
    ['what it has taken, or its memory, or the oldest record, when it is alone', new Map([[1, 3n]])],
    ['the commits of the group when others share it', null],
  ])('should go on by %s', async (_, startAt) => {
    const { driver, assigned, reassign } = logOf([record(3, 'a'), record(4, 'b')]);
    const positions: (() => ReadonlyMap<number, bigint>)[] = [];
    const onReading: QueueReaderOptions['onReading'] = (read) => positions.push(read);
    const read$ = readQueue(options(driver, { startAt, onReading }));
    const read: Delivery<unknown>[] = [];
    const reading = read$.subscribe((delivery) => read.push(delivery));
    await vi.waitFor(() => expect(read).toHaveLength(2));
    reassign();
    expect(assigned).toEqual(
      startAt === null
        ? [{}, {}]
        : [
            { 0: 0n, 1: 3n },
            { 0: 5n, 1: 3n },
          ],
    );
    read[0]?.ack();
    expect(positions.map((newest) => newest().get(0))).toEqual([4n]);
    reading.unsubscribe();
  });
});
