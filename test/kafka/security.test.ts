import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { inspect } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ResolvedConfig } from '../../src/streams/config/schema/topology-schema.js';
import { kafkaSecurity } from '../../src/streams/transport/kafka/kafka-security.js';
import { connectKafkaJs } from '../../src/streams/transport/kafka/kafkajs/driver.js';
import { SECURITY as cluster, freshPrefix } from './cluster.js';

type Security = Pick<ResolvedConfig['transport']['kafka'], 'tls' | 'sasl'>;

const WRONG_PASSWORD = 'sesame-open-4711';
const plaintext = { tls: { mode: 'none' } } as const;
const noLogin = { sasl: { mechanism: 'none' } } as const;

async function connectTo(
  address: string,
  config: Security,
  { password = cluster?.password ?? '', logged = [] as string[] } = {},
) {
  const env = { TRIBUTARY_KAFKA_USERNAME: cluster?.username, TRIBUTARY_KAFKA_PASSWORD: password };
  const security = await kafkaSecurity(config, { env, readFile: (path) => readFile(path, 'utf8') });
  const log = (_: string, message: string) => logged.push(message);
  return connectKafkaJs({ brokers: [address], clientId: 'test', log, ...security });
}

/** Connects, writes a record and reads where the topic ends: every client of the driver has then been let in. */
async function writesOneRecord(address: string, config: Security): Promise<void> {
  const driver = await connectTo(address, config);
  const topic = `${freshPrefix()}.work`;
  await driver.ensureTopics([{ topic, numPartitions: 1, cleanupPolicy: 'delete', maxMessageBytes: 1000 }]);
  await driver.append(topic, [{ key: 'a', value: Uint8Array.of(1), headers: {} }]);
  expect(await driver.endOffsets(topic)).toEqual(new Map([[0, 1n]]));
  await driver.close();
}

describe.skipIf(cluster === null)(
  `a cluster that asks who is there${cluster ? '' : ' (skipped: no listeners known)'}`,
  () => {
    const { addresses, caFile = '', certFile = '', keyFile = '' } = cluster ?? {};
    const { sasl = '', saslTls = '', mutualTls = '' } = addresses ?? {};
    const trusted = { tls: { mode: 'server', caFile } } as const;

    it.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
      'should let in the user of %s',
      (mechanism) => writesOneRecord(sasl, { ...plaintext, sasl: { mechanism } }),
    );

    it.each(['plain', 'scram-sha-512'] as const)('should let in the user of %s over TLS', (mechanism) =>
      writesOneRecord(saslTls, { ...trusted, sasl: { mechanism } }),
    );

    it('should let in who shows a certificate that it trusts', () =>
      writesOneRecord(mutualTls, { tls: { mode: 'mutual', caFile, certFile, keyFile }, ...noLogin }));

    it.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
      'should refuse a wrong password of %s for good, and never repeat it',
      async (mechanism) => {
        const logged: string[] = [];
        const config = { ...plaintext, sasl: { mechanism } } as const;
        const fault = await connectTo(sasl, config, { password: WRONG_PASSWORD, logged }).catch((e) => e);
        expect(fault).toMatchObject({ code: 'TRIB_TRANSPORT', retryable: false });
        expect(fault.message).toContain(
          `kafka brokers ${sasl}: expected the cluster to accept the user, got: SASL`,
        );
        expect(logged.length).toBeGreaterThan(0);
        for (const text of [fault.message, inspect(fault, { depth: null, showHidden: true }), ...logged]) {
          expect(text).not.toContain(WRONG_PASSWORD);
          expect(text).not.toContain(Buffer.from(WRONG_PASSWORD).toString('base64'));
        }
      },
    );

    it.each<[about: string, address: string, config: Security, got: RegExp]>([
      [
        'a certificate that nobody vouches for',
        saslTls,
        { tls: { mode: 'server' }, sasl: { mechanism: 'plain' } },
        /self-signed certificate/,
      ],
      [
        'a certificate in another name',
        saslTls,
        { tls: { ...trusted.tls, serverName: 'kafka.example.org' }, sasl: { mechanism: 'plain' } },
        /does not match certificate's altnames/,
      ],
      ['a client without TLS', saslTls, { ...plaintext, sasl: { mechanism: 'plain' } }, /connection/i],
      ['a client without a certificate', mutualTls, { ...trusted, ...noLogin }, /./],
    ])('should not be connected to with %s', async (_, address, config, got) => {
      const fault = await connectTo(address, config).catch((error: unknown) => error);
      expect(fault).toMatchObject({ code: 'TRIB_TRANSPORT', message: expect.stringMatching(got) });
    });
  },
);

describe('a cluster that is not there', () => {
  it('should be missed within 15 s, with its addresses, where nobody listens', async () => {
    const brokers = ['127.0.0.1:1', '127.0.0.1:2'];
    const fault = connectKafkaJs({ brokers, clientId: 'test', log: () => undefined });
    await expect(fault).rejects.toMatchObject({
      code: 'TRIB_TRANSPORT',
      retryable: true,
      message: expect.stringContaining(
        'kafka brokers 127.0.0.1:1, 127.0.0.1:2: expected the cluster to answer',
      ),
    });
  }, 15_000);

  it('should be missed within 15 s where a server accepts and is silent', async () => {
    const silent = createServer();
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    const fault = connectKafkaJs({ brokers: [`127.0.0.1:${port}`], clientId: 'test', log: () => undefined });
    await expect(fault).rejects.toMatchObject({ code: 'TRIB_TRANSPORT', retryable: true });
  }, 15_000);
});
