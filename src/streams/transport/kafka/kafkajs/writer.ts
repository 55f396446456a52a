import { TributaryError } from '../../../../errors.js';
import { codedFault } from '../cluster-fault.js';
import type { RecordsByTopic } from '../group-appends.js';
import type { ExclusiveWriter, NewRecord } from '../log-driver.js';
import { type Kafka, Partitioners, type Producer } from './client.js';
import type { WrittenTopics } from './deleted-topics.js';

/** Brokers may still be writing the marks of the previous transaction, for some milliseconds. */
const RETRY = { initialRetryTime: 20, maxRetryTime: 5000, retries: Number.MAX_SAFE_INTEGER };
/** Broker errors for a writer whose name was taken. */
const TAKEN = ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'INVALID_PRODUCER_ID_MAPPING'];

/** Sends records, and resolves when all in-sync replicas have them. */
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

/** Opens a writer that sends each record in a transaction, under an id whose epoch the brokers raise for every new writer. */
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
    // Connecting does not take the name; the first transaction does, so an empty one takes it here. A previous producer could
    // still write outside a transaction, so the name protects only if every record is sent in one, as below.
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
      // If the name was taken, the brokers have ended the transaction.
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
