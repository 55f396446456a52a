import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  kafkaSecurity,
  kafkaSecurityWarning,
} from '../../../../src/streams/transport/kafka/kafka-security.js';
import { faultOf } from '../../../fixtures/fault-of.js';

const PASSWORD = 'correct horse battery staple';
const env = { TRIBUTARY_KAFKA_USERNAME: 'ann', TRIBUTARY_KAFKA_PASSWORD: PASSWORD };
const open = { tls: { mode: 'none' }, sasl: { mechanism: 'none' } } as const;
const noFiles = async (path: string): Promise<string> => {
  throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
};
const filesOf = (files: Record<string, string>) => async (path: string) => files[path] ?? noFiles(path);

describe('kafkaSecurity', () => {
  it('should give nothing where nothing is asked for, whatever the environment holds', async () => {
    expect(await kafkaSecurity(open, { env, readFile: noFiles })).toEqual({});
  });

  it('should take the user and the password from the environment', async () => {
    const config = { ...open, sasl: { mechanism: 'scram-sha-256' } } as const;
    expect(await kafkaSecurity(config, { env, readFile: noFiles })).toEqual({
      sasl: { mechanism: 'scram-sha-256', username: 'ann', password: PASSWORD },
    });
  });

  it('should name the variable that is missing, and no value', async () => {
    const config = { ...open, sasl: { mechanism: 'plain' } } as const;
    const faultIn = (some: Record<string, string>) =>
      faultOf(() => kafkaSecurity(config, { env: some, readFile: noFiles }));
    expect(await faultIn({ TRIBUTARY_KAFKA_PASSWORD: PASSWORD })).toEqual([
      'TRIB_CONFIG',
      'environment TRIBUTARY_KAFKA_USERNAME: expected the username for transport.kafka.sasl plain, got nothing. Set it, or set mechanism: none.',
    ]);
    expect((await faultIn({ ...env, TRIBUTARY_KAFKA_PASSWORD: '' }))[1]).toContain(
      'TRIBUTARY_KAFKA_PASSWORD: expected the password for transport.kafka.sasl plain, got an empty value.',
    );
  });

  it('should trust what Node trusts where no file is named, and ask for the name that is set', async () => {
    const server = (tls: object) =>
      kafkaSecurity({ ...open, tls: { mode: 'server', ...tls } }, { env, readFile: noFiles });
    expect(await server({})).toEqual({ ssl: {} });
    expect(await server({ serverName: 'kafka' })).toEqual({ ssl: { servername: 'kafka' } });
  });

  it('should say which file cannot be read, is none of its kind or is damaged, and not what it holds', async () => {
    const faultWith = async (files: Record<string, string>) => {
      const tls = { mode: 'mutual', caFile: 'ca.pem', certFile: 'cert.pem', keyFile: 'key.pem' } as const;
      const security = kafkaSecurity({ ...open, tls }, { env, readFile: filesOf(files) });
      const fault = await security.catch((error: unknown) => error);
      expect(inspect(fault, { depth: null })).not.toContain('c2VjcmV0');
      return faultOf(() => security);
    };
    const damaged = (kind: string) => `-----BEGIN ${kind}-----\nc2VjcmV0\n-----END ${kind}-----\n`;
    expect(await faultWith({})).toEqual([
      'TRIB_FILE',
      'transport.kafka.tls.caFile ca.pem: expected a file that can be read, got ENOENT. Check the path, and that the user of this process may read it.',
    ]);
    expect((await faultWith({ 'ca.pem': damaged('PRIVATE KEY') }))[1]).toContain(
      'caFile ca.pem: expected PEM text with a line -----BEGIN CERTIFICATE-----, got 63 characters without.',
    );
    const ca = { 'ca.pem': damaged('CERTIFICATE'), 'cert.pem': damaged('CERTIFICATE') };
    expect((await faultWith({ ...ca, 'key.pem': 'c2VjcmV0' }))[1]).toContain('keyFile key.pem: expected PEM');
    expect((await faultWith({ ...ca, 'key.pem': damaged('PRIVATE KEY') }))[1]).toMatch(
      /File \w+\.pem: expected whole PEM text that fits the other files, got ERR_\w+\./,
    );
  });
});

describe('kafkaSecurityWarning', () => {
  it('should warn of a password that everyone on the way can read, and of nothing else', () => {
    const plain = { mechanism: 'plain' } as const;
    expect(kafkaSecurityWarning({ ...open, sasl: plain })).toMatch(
      /^transport\.kafka\.sasl: plain without TLS/,
    );
    expect(kafkaSecurityWarning({ tls: { mode: 'server' }, sasl: plain })).toBeNull();
    expect(kafkaSecurityWarning({ ...open, sasl: { mechanism: 'scram-sha-512' } })).toBeNull();
    expect(kafkaSecurityWarning(open)).toBeNull();
  });
});
