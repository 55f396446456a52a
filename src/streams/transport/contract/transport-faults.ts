import { TributaryError } from '../../../errors.js';
import { suggest } from '../../config/source/fault.js';
import type { TopicDeclaration } from './transport.js';

/** The transport is closed for good. */
export function closedFault(transport: string): TributaryError {
  return new TributaryError(
    'TRIB_TRANSPORT',
    `transport ${transport}: expected an open transport, got one that is closed. Create a new one.`,
  );
}

/** A topic that was never declared. */
export function unknownTopicFault(topic: string, declared: readonly string[]): TributaryError {
  const nextStep = suggest(topic, declared, 'Declare it.');
  return new TributaryError(
    'TRIB_TRANSPORT',
    `topic "${topic}": expected a declared topic (${declared.join(', ')}), got an unknown one. ${nextStep}`,
  );
}

/** A queue was read like a broadcast, or a broadcast like a queue. */
export function topicKindFault(topic: string, expected: TopicDeclaration['kind']): TributaryError {
  const [got, call] = expected === 'queue' ? ['broadcast', 'latest'] : ['queue', 'subscribe'];
  return new TributaryError(
    'TRIB_TRANSPORT',
    `topic "${topic}": expected a ${expected} topic, got a ${got} one. Read it with \`${call}\`.`,
  );
}

/** Errors: TRIB_TRANSPORT unless a bound is an integer >= 1. */
export function requireBound(where: string, thing: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new TributaryError(
    'TRIB_TRANSPORT',
    `${where} ${thing}: expected an integer >= 1, got ${value}. Set a bound.`,
  );
}
