/** @file TLS and SASL of the Kafka client: settings from the config, secrets from the environment. */
import { createSecureContext } from 'node:tls';
import { TributaryError } from '../../../errors.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';

/** Variables for secrets, which belong in no config. */
const KAFKA_SECRETS = {
  username: 'TRIBUTARY_KAFKA_USERNAME',
  password: 'TRIBUTARY_KAFKA_PASSWORD',
} as const;

type KafkaSecurityConfig = Pick<ResolvedConfig['transport']['kafka'], 'tls' | 'sasl'>;

/** PEM texts, and the name that a broker's certificate must have. */
interface KafkaTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

interface KafkaLogin {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** Secrets of a client: never put them in a log or an error message. */
export interface KafkaSecurity {
  readonly ssl?: KafkaTls;
  readonly sasl?: KafkaLogin;
}

interface SecuritySources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => Promise<string>;
}

/**
 * Reads keys, certificates and passwords.
 *
 * Errors: TRIB_CONFIG if a variable is not set; TRIB_FILE if a file cannot be read or is no PEM of its kind. Neither reveals
 * the content.
 */
export async function kafkaSecurity(
  { tls, sasl }: KafkaSecurityConfig,
  { env, readFile }: SecuritySources,
): Promise<KafkaSecurity> {
  return {
    ...(sasl.mechanism === 'none' ? {} : { sasl: loginFrom(sasl.mechanism, env) }),
    ...(tls.mode === 'none' ? {} : { ssl: await tlsFrom(tls, readFile) }),
  };
}

/** A warning about settings that are allowed but unsafe; null if there is none. */
export function kafkaSecurityWarning({ tls, sasl }: KafkaSecurityConfig): string | null {
  if (sasl.mechanism !== 'plain' || tls.mode !== 'none') return null;
  return 'transport.kafka.sasl: plain without TLS sends the password readable to everyone on the way. Set transport.kafka.tls, or choose scram-sha-512.';
}

function loginFrom(mechanism: KafkaLogin['mechanism'], env: SecuritySources['env']): KafkaLogin {
  const secretOf = (what: keyof typeof KAFKA_SECRETS) => {
    const value = env[KAFKA_SECRETS[what]];
    if (value) return value;
    throw new TributaryError(
      'TRIB_CONFIG',
      `environment ${KAFKA_SECRETS[what]}: expected the ${what} for transport.kafka.sasl ${mechanism}, got ${value === '' ? 'an empty value' : 'nothing'}. Set it, or set mechanism: none.`,
    );
  };
  return { mechanism, username: secretOf('username'), password: secretOf('password') };
}

async function tlsFrom(
  tls: Exclude<KafkaSecurityConfig['tls'], { readonly mode: 'none' }>,
  readFile: SecuritySources['readFile'],
): Promise<KafkaTls> {
  const pem = async (field: string, path: string, kind: RegExp) => {
    const text = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
      throw fileFault(`${field} ${path}`, 'a file that can be read', cause.code ?? 'a fault', cause);
    });
    if (kind.test(text)) return text;
    throw fileFault(
      `${field} ${path}`,
      `PEM text with a line ${kind.source}`,
      `${text.length} characters without`,
    );
  };
  const certificate = /-----BEGIN CERTIFICATE-----/;
  const privateKey = /-----BEGIN ([A-Z]+ )?PRIVATE KEY-----/;
  const ca = tls.caFile === undefined ? {} : { ca: await pem('caFile', tls.caFile, certificate) };
  const servername = tls.serverName === undefined ? {} : { servername: tls.serverName };
  const requireCa = () => tls.caFile !== undefined && requireContext(ca, 'caFile', tls.caFile);
  if (tls.mode === 'server') {
    requireCa();
    return { ...ca, ...servername };
  }
  const own = {
    cert: await pem('certFile', tls.certFile, certificate),
    key: await pem('keyFile', tls.keyFile, privateKey),
  };
  requireCa();
  return { ...ca, ...requireContext(own, 'keyFile', tls.keyFile), ...servername };
}

/** Fails now instead of at every later connection. */
function requireContext<Tls extends KafkaTls>(options: Tls, field: string, path: string): Tls {
  try {
    createSecureContext(options);
    return options;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw fileFault(`${field} ${path}`, 'whole PEM text that fits the other files', code ?? message, cause);
  }
}

function fileFault(place: string, expected: string, got: string, cause?: unknown): TributaryError {
  return new TributaryError(
    'TRIB_FILE',
    `transport.kafka.tls.${place}: expected ${expected}, got ${got}. Check the path, and that the user of this process may read it.`,
    { cause },
  );
}
