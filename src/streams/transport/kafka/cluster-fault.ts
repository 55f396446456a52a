/** @file Errors of the Kafka client as coded errors. */
import { TributaryError } from '../../../errors.js';

/** Does work on the cluster, and codes its errors. */
export async function coded<Result>(where: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw codedFault(where, error);
  }
}

/** An error of the cluster as TRIB_TRANSPORT. */
export function codedFault(where: string, error: unknown): TributaryError {
  if (error instanceof TributaryError) return error;
  const message = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
  const [expected, nextStep] =
    nameOf(error) === 'KafkaJSSASLAuthenticationError'
      ? ['the cluster to accept the user', 'Check transport.kafka.sasl, and the user name and password']
      : ['the cluster to answer', 'Check transport.kafka, and that the cluster is up'];
  return new TributaryError(
    'TRIB_TRANSPORT',
    `kafka ${where}: expected ${expected}, got: ${message}. ${nextStep}.`,
    { retryable: mayPass(error), cause: error },
  );
}

/**
 * What kafkajs calls final after enough attempts, although a later call may succeed. A broker has no coordinator of groups at
 * first: it makes their topic when the first group asks, which takes a busy one longer than kafkajs waits.
 */
const FINAL_FOR_NOW = ['KafkaJSNumberOfRetriesExceeded', 'KafkaJSGroupCoordinatorNotFound'];

export function mayPass(error: unknown): boolean {
  if (FINAL_FOR_NOW.includes(nameOf(error))) return true;
  return error instanceof Error && 'retriable' in error && error.retriable === true;
}

const nameOf = (error: unknown) => (error instanceof Error ? error.name : '');
