import { TributaryError } from '../../../errors.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';

const VARIABLE = 'TRIBUTARY_KAFKA_BROKERS';
const LOCAL = ['localhost:9092'];
const BROKER = /^[^\s:/,]+:\d{1,5}$/;

interface Brokers {
  readonly addresses: readonly string[];
  /** Who says so. */
  readonly source: 'the config' | typeof VARIABLE | 'the default';
}

/**
 * Returns the brokers that a run connects to: those of the config, else those of TRIBUTARY_KAFKA_BROKERS, with commas
 * between them, else localhost:9092.
 *
 * Errors: TRIB_CONFIG where the variable holds anything but addresses.
 */
export function brokersOf(
  { brokers }: ResolvedConfig['transport']['kafka'],
  env: Readonly<Record<string, string | undefined>>,
): Brokers {
  if (brokers) return { addresses: brokers, source: 'the config' };
  const stated = env[VARIABLE]?.trim();
  if (!stated) return { addresses: LOCAL, source: 'the default' };
  const addresses = stated.split(',').map((address) => address.trim());
  if (addresses.every((address) => BROKER.test(address))) return { addresses, source: VARIABLE };
  throw new TributaryError(
    'TRIB_CONFIG',
    `${VARIABLE}: expected addresses host:port with commas between them, got ${JSON.stringify(stated)}. Correct it, or unset it for localhost:9092.`,
  );
}
