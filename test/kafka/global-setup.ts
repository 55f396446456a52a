import { spawnSync } from 'node:child_process';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Addresses of the brokers; empty where there is no cluster. */
    kafkaBrokers: string[];
  }
}

const TOOL = 'tools/kafka/kafka.mjs';

/**
 * Finds the cluster of this folder's tests: the one that KAFKA_BROKERS names, else one on loopback that is started for
 * them. Where neither can be, the tests are skipped aloud, unless KAFKA_TESTS=required. KAFKA_TESTS=skip skips them.
 */
export default function setup(project: TestProject): undefined | (() => void) {
  const { KAFKA_BROKERS = '', KAFKA_TESTS = '' } = process.env;
  const provide = (brokers: string) =>
    project.provide(
      'kafkaBrokers',
      brokers.split(',').filter((broker) => broker !== ''),
    );
  const skip = (reason: string) => {
    console.warn(`\nKafka tests are SKIPPED: ${reason}\n`);
    provide('');
    return undefined;
  };
  if (KAFKA_TESTS === 'skip') return skip('KAFKA_TESTS=skip');
  if (KAFKA_BROKERS !== '') {
    provide(KAFKA_BROKERS);
    return undefined;
  }
  const wasUp = spawnSync(process.execPath, [TOOL, 'status']).status === 0;
  const up = spawnSync(process.execPath, [TOOL, 'up'], { encoding: 'utf8' });
  if (up.status !== 0) {
    const reason = `no cluster could be started: ${up.stderr.trim().split('\n').at(-1)}`;
    if (KAFKA_TESTS === 'required') throw new Error(reason);
    return skip(reason);
  }
  provide(up.stdout.trim().split('\n').at(-1) ?? '');
  return wasUp ? undefined : () => void spawnSync(process.execPath, [TOOL, 'down']);
}
