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

/** kafkajs calls an error final after enough attempts; a later call may still succeed. */
export function mayPass(error: unknown): boolean {
  if (nameOf(error) === 'KafkaJSNumberOfRetriesExceeded') return true;
  return error instanceof Error && 'retriable' in error && error.retriable === true;
}

const nameOf = (error: unknown) => (error instanceof Error ? error.name : '');
