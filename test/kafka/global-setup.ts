import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A file that holds a FoundCluster as soon as there is one to say. */
    kafkaCluster: string;
  }
}

/** What the tests of this folder run against. */
export interface FoundCluster {
  /** Addresses of the brokers; empty where the tests are skipped. */
  readonly brokers: readonly string[];
  /** Listeners with TLS and SASL; null where the cluster is not the one on loopback. */
  readonly security: SecureCluster | null;
  /** Why there is none, where there must be one. */
  readonly fault: string | null;
}

/** What tools/kafka says about the listeners of the cluster that require clients to authenticate. */
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
/** For a JVM that lives for minutes: compiling well would cost more than it gains. */
const BRIEF_JVM = '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC';

/**
 * Finds the cluster of this folder's tests: the one that KAFKA_BROKERS names, or one on loopback that it starts in the
 * background, so that other tests run in the meantime. Where neither works, the tests are skipped with a warning, or fail
 * with KAFKA_TESTS=required. KAFKA_TESTS=skip skips them.
 */
export default function setup(project: TestProject): () => Promise<void> {
  const { KAFKA_BROKERS = '', KAFKA_TESTS = '' } = process.env;
  const folder = mkdtempSync(join(tmpdir(), 'tributary-kafka-'));
  const file = join(folder, 'cluster.json');
  project.provide('kafkaCluster', file);
  const found = (cluster: Partial<FoundCluster>) => {
    const whole: FoundCluster = { brokers: [], security: null, fault: null, ...cluster };
    writeFileSync(`${file}.part`, JSON.stringify(whole));
    renameSync(`${file}.part`, file);
  };
  const skip = (reason: string) => {
    console.warn(`\nKafka tests are SKIPPED: ${reason}\n`);
    found({});
  };
  const removeFolder = async () => rmSync(folder, { recursive: true, force: true });
  if (KAFKA_TESTS === 'skip') {
    skip('KAFKA_TESTS=skip');
    return removeFolder;
  }
  if (KAFKA_BROKERS !== '') {
    console.warn('\nKafka tests of TLS and SASL are SKIPPED: KAFKA_BROKERS names another cluster\n');
    found({ brokers: addressesOf(KAFKA_BROKERS) });
    return removeFolder;
  }
  const wasUp = spawnSync(process.execPath, [TOOL, 'status']).status === 0;
  const started = startCluster().then(({ status, stdout, stderr }) => {
    if (status === 0) return found({ brokers: addressesOf(lastLine(stdout)), security: secureCluster() });
    const reason = `no cluster could be started: ${lastLine(stderr)}`;
    return KAFKA_TESTS === 'required' ? found({ fault: reason }) : skip(reason);
  });
  return async () => {
    await started;
    if (!wasUp) spawnSync(process.execPath, [TOOL, 'down']);
    await removeFolder();
  };
}

const addressesOf = (brokers: string) => brokers.split(',').filter((broker) => broker !== '');
const lastLine = (text: string) => text.trim().split('\n').at(-1) ?? '';

function startCluster(): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const env = { ...process.env, JAVA_TOOL_OPTIONS: BRIEF_JVM };
  const child = spawn(process.execPath, [TOOL, 'up'], { stdio: ['ignore', 'pipe', 'pipe'], env });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (status) => resolve({ status, stdout, stderr }));
  });
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
