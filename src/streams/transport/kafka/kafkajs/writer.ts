import { TributaryError } from '../../../../errors.js';
import { codedFault } from '../cluster-fault.js';
import type { RecordsByTopic } from '../group-appends.js';
import type { ExclusiveWriter, NewRecord } from '../log-driver.js';
import { type Kafka, Partitioners, type Producer } from './client.js';
import type { WrittenTopics } from './deleted-topics.js';

/** Brokers are still writing the marks of the transaction before: a matter of milliseconds. */
const RETRY = { initialRetryTime: 20, maxRetryTime: 5000, retries: Number.MAX_SAFE_INTEGER };
/** What the brokers say to a writer whose name was taken. */
const TAKEN = ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'INVALID_PRODUCER_ID_MAPPING'];

/** Resolves when all replicas in sync have the records. */
export async function send(producer: Pick<Producer, 'sendBatch'>, records: RecordsByTopic): Promise<void> {
  await producer.sendBatch({
    acks: -1,
    topicMessages: Array.from(records, ([topic, ofTopic]) => ({
      topic,
      messages: ofTopic.map(({ key, value, headers, partition }) => ({
        ...(partition !== undefined && { partition }),
        key,
        value: Buffer.from(value.buffer, value.byteOffset, value.byteLength),
        headers: { ...headers },
      })),
    })),
  });
}

/** Writes each record in a transaction of its own, under an id whose epoch the brokers raise for every new writer. */
export async function openExclusiveWriter(
  kafka: Kafka,
  name: string,
  written: WrittenTopics,
): Promise<ExclusiveWriter> {
  const producer = kafka.producer({
    transactionalId: name,
    retry: RETRY,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  try {
    await producer.connect();
    // Connecting takes the name from nobody. The brokers give it with the first transaction: an empty one takes it here, and not
    // at the first record. What the producer that had it sends outside a transaction is still written, so a name is worth
    // something only where every record goes in one, as below.
    await (await producer.transaction()).abort();
  } catch (error) {
    await producer.disconnect().catch(() => undefined);
    throw error;
  }
  const write = async (topic: string, record: NewRecord) => {
    const transaction = await producer.transaction();
    try {
      await send(transaction, new Map([[topic, [record]]]));
      await transaction.commit();
    } catch (error) {
      // Where the name was taken, the brokers have ended the transaction.
      await transaction.abort().catch(() => undefined);
      throw error;
    }
  };
  let last: Promise<unknown> = Promise.resolve();
  return {
    append(topic, record) {
      const done = last
        .then(() => written.during([topic], () => write(topic, record)))
        .catch((error: unknown) => {
          throw isTaken(error) ? takenFault(name, error) : codedFault(`topic "${topic}"`, error);
        });
      last = done.catch(() => undefined);
      return done;
    },
    close: async () => {
      await last;
      await producer.disconnect();
    },
  };
}

function isTaken(error: unknown): boolean {
  const type = error instanceof Error && 'type' in error ? String(error.type) : '';
  return TAKEN.includes(type);
}

function takenFault(name: string, cause: unknown): TributaryError {
  return new TributaryError(
    'TRIB_USAGE',
    `kafka writer "${name}": expected to be the only one, got another process that has taken over. Stop one of the two.`,
    { cause },
  );
}
