/**
 * @file The listeners of the test cluster that ask who is there: SASL with and without TLS, and mutual TLS. User, password
 * and keys are for tests on loopback alone; the keys are made anew with every cluster.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const STORE_PASSWORD = 'loopback';
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
  const store = (name) => ['-keystore', at(name), '-storetype', 'PKCS12', '-storepass', STORE_PASSWORD];
  const keyPair = (name, subject) =>
    `-genkeypair -alias key -keyalg EC -groupname secp256r1 -validity 365 -dname CN=${subject}`
      .split(' ')
      .concat('-ext', 'san=ip:127.0.0.1,dns:localhost', store(`${name}.p12`));
  const certificate = (name) => ['-exportcert', '-rfc', '-alias', 'key', '-file', at(`${name}.pem`)];
  for (const name of ['broker', 'client']) {
    run('keytool', keyPair(name, name));
    run('keytool', [...certificate(name), ...store(`${name}.p12`)]);
  }
  const trusted = ['-importcert', '-noprompt', '-alias', 'client', '-file', at('client.pem')];
  run('keytool', [...trusted, ...store('trusted.p12')]);
  const exportKey = join(import.meta.dirname, 'ExportKey.java');
  run('java', [exportKey, at('client.p12'), STORE_PASSWORD, at('client-key.pem')]);
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
    `listener.name.${listener}.ssl.keystore.type=PKCS12`,
    `listener.name.${listener}.ssl.keystore.location=${join(folder, 'broker.p12')}`,
    `listener.name.${listener}.ssl.keystore.password=${STORE_PASSWORD}`,
    `listener.name.${listener}.ssl.key.password=${STORE_PASSWORD}`,
  ]);
  const mutual = [
    'listener.name.mutualtls.ssl.client.auth=required',
    'listener.name.mutualtls.ssl.truststore.type=PKCS12',
    `listener.name.mutualtls.ssl.truststore.location=${join(folder, 'trusted.p12')}`,
    `listener.name.mutualtls.ssl.truststore.password=${STORE_PASSWORD}`,
  ];
  return `${[...sasl, ...tls, ...mutual].join('\n')}\n`;
}

function run(command, arguments_) {
  const { status, stdout, stderr, error } = spawnSync(command, arguments_, { encoding: 'utf8' });
  if (status === 0) return;
  throw new Error(
    `${command}: expected the keys of the cluster, got ${error?.message ?? `exit ${status}: ${stdout}${stderr}`}.`,
  );
}
