import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Addresses of the brokers; empty where there is no cluster. */
    kafkaBrokers: string[];
    /** Its listeners with TLS and SASL; null where it is not the one on loopback. */
    kafkaSecurity: SecureCluster | null;
  }
}

/** What tools/kafka says about the listeners of the cluster that ask who is there. */
export interface SecureCluster {
  readonly addresses: Readonly<Record<'sasl' | 'saslTls' | 'mutualTls', string>>;
  readonly username: string;
  readonly password: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

const TOOL = 'tools/kafka/kafka.mjs';
const CLUSTER = '.cache/kafka/cluster.json';

/**
 * Finds the cluster of this folder's tests: the one that KAFKA_BROKERS names, else one on loopback that is started for
 * them. Where neither can be, the tests are skipped aloud, unless KAFKA_TESTS=required. KAFKA_TESTS=skip skips them.
 */
export default function setup(project: TestProject): undefined | (() => void) {
  const { KAFKA_BROKERS = '', KAFKA_TESTS = '' } = process.env;
  const provide = (brokers: string, security: SecureCluster | null = null) => {
    const addresses = brokers.split(',').filter((broker) => broker !== '');
    project.provide('kafkaBrokers', addresses);
    project.provide('kafkaSecurity', security);
  };
  const skip = (reason: string) => {
    console.warn(`\nKafka tests are SKIPPED: ${reason}\n`);
    provide('');
    return undefined;
  };
  if (KAFKA_TESTS === 'skip') return skip('KAFKA_TESTS=skip');
  if (KAFKA_BROKERS !== '') {
    console.warn('\nKafka tests of TLS and SASL are SKIPPED: KAFKA_BROKERS names another cluster\n');
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
  provide(up.stdout.trim().split('\n').at(-1) ?? '', secureCluster());
  return wasUp ? undefined : () => void spawnSync(process.execPath, [TOOL, 'down']);
}

function secureCluster(): SecureCluster {
  const { nodes, security } = JSON.parse(readFileSync(CLUSTER, 'utf8')) as {
    nodes: { securePorts: Record<string, number> }[];
    security: Omit<SecureCluster, 'addresses'>;
  };
  const ports = Object.entries(nodes[0]?.securePorts ?? {});
  const addresses = Object.fromEntries(ports.map(([kind, port]) => [kind, `127.0.0.1:${port}`]));
  return { ...security, addresses: addresses as SecureCluster['addresses'] };
}
