/** @file Faults that the Kafka client has met, by the names and marks that it gives them. */
import { TributaryError } from '../../../errors.js';

/** Does work whose faults are the cluster's. */
export async function coded<Result>(where: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw codedFault(where, error);
  }
}

/** A fault of the cluster as a TRIB_TRANSPORT. */
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

/** kafkajs calls a fault final once it has tried often enough; another time it may still pass. */
export function mayPass(error: unknown): boolean {
  if (nameOf(error) === 'KafkaJSNumberOfRetriesExceeded') return true;
  return error instanceof Error && 'retriable' in error && error.retriable === true;
}

const nameOf = (error: unknown) => (error instanceof Error ? error.name : '');
