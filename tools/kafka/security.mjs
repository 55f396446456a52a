/**
 * @file The listeners of the test cluster that ask who is there: SASL with and without TLS, and mutual TLS. User, password
 * and keys are for tests on loopback alone; the keys are made anew with every cluster.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { selfSigned } from './certificate.mjs';

const USER = { username: 'tributary', password: 'only-on-loopback' };
const SCRAM = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];

/** Kinds of listener, as cluster.json names their ports. */
export const SECURE_LISTENERS = {
  sasl: 'SASL_PLAINTEXT',
  saslTls: 'SASL_SSL',
  mutualTls: 'SSL',
};

/** The SCRAM users, which are part of the metadata that `format` writes. */
export const scramArguments = SCRAM.flatMap((mechanism) => [
  '--add-scram',
  `${mechanism}=[name=${USER.username},password=${USER.password}]`,
]);

/** Makes the keys of the brokers and of a client in a folder, and returns what a client needs to know. */
export async function makeKeys(folder) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const at = (name) => join(folder, name);
  for (const name of ['broker', 'client']) {
    const { key, certificate } = selfSigned(name);
    await writeFile(at(`${name}.pem`), certificate);
    await writeFile(at(`${name}-key.pem`), key);
    // A key store of Kafka holds both.
    await writeFile(at(`${name}-store.pem`), `${key}${certificate}`);
  }
  return { ...USER, caFile: at('broker.pem'), certFile: at('client.pem'), keyFile: at('client-key.pem') };
}

/** Settings of the listeners of a broker whose keys lie in the folder. */
export function secureProperties(folder) {
  const { username, password } = USER;
  const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required user_${username}="${password}";`;
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  const sasl = ['sasl', 'sasltls'].flatMap((listener) => [
    `listener.name.${listener}.sasl.enabled.mechanisms=${['PLAIN', ...SCRAM].join(',')}`,
    `listener.name.${listener}.plain.sasl.jaas.config=${plain}`,
    ...SCRAM.map((name) => `listener.name.${listener}.${name.toLowerCase()}.sasl.jaas.config=${scram}`),
  ]);
  const tls = ['sasltls', 'mutualtls'].flatMap((listener) => [
    `listener.name.${listener}.ssl.keystore.type=PEM`,
    `listener.name.${listener}.ssl.keystore.location=${join(folder, 'broker-store.pem')}`,
  ]);
  const mutual = [
    'listener.name.mutualtls.ssl.client.auth=required',
    'listener.name.mutualtls.ssl.truststore.type=PEM',
    `listener.name.mutualtls.ssl.truststore.location=${join(folder, 'client.pem')}`,
  ];
  return `${[...sasl, ...tls, ...mutual].join('\n')}\n`;
}
