/** @file Notices that a topic of a producer was deleted. */
import { setTimeout as wait } from 'node:timers/promises';
import { TributaryError } from '../../../../errors.js';
import type { Admin } from './client.js';

/** A send is answered in milliseconds; one that waits this long is examined. */
const PAUSE_MS = 2000;

export interface WrittenTopics {
  /**
   * Waits for a send to these topics.
   *
   * Errors: those of the send; TRIB_TRANSPORT if it is not answered and a topic that was written before is gone.
   */
  during<Result>(topics: Iterable<string>, send: () => Promise<Result>): Promise<Result>;
}

/**
 * Remembers the topics that one producer of kafkajs has written to. Before its first write to a topic it asks the brokers for
 * metadata of all of them. If one was deleted, the whole answer is an error that it considers retriable: it can write to no
 * further topic, silently for a minute, and a transactional producer for ever. Reconnecting does not help; a restarted
 * process creates its topics again.
 */
export function writtenTopics(admin: Pick<Admin, 'listTopics'>): WrittenTopics {
  const written = new Set<string>();
  return {
    async during(topics, send) {
      for (const topic of topics) written.add(topic);
      const answered = send();
      // If this gives up first, nobody awaits it any more.
      answered.catch(() => undefined);
      for (;;) {
        const leaving = new AbortController();
        const pause = wait(PAUSE_MS, 'late' as const, { signal: leaving.signal }).catch(
          () => 'late' as const,
        );
        const first = await Promise.race([answered.then(() => 'answered' as const), pause]).finally(() =>
          leaving.abort(),
        );
        if (first === 'answered') return answered;
        // A cluster that is down says nothing about its topics.
        const there = await admin.listTopics().catch(() => null);
        const gone = there === null ? [] : [...written].filter((topic) => !there.includes(topic));
        if (gone.length > 0) throw deletedFault(gone);
      }
    },
  };
}

function deletedFault(topics: readonly string[]): TributaryError {
  return new TributaryError(
    'TRIB_TRANSPORT',
    `kafka topic ${topics.map((topic) => `"${topic}"`).join(', ')}: expected it in the cluster, as this process has written to it, got none: it was deleted. Restart this process to create it again; its messages are lost.`,
  );
}
