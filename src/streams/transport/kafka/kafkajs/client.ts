/** @file The only file that imports kafkajs: a client, and what the other files need. */
import { createRequire } from 'node:module';
import { setTimeout as wait } from 'node:timers/promises';
import kafkajs, { type KafkaConfig, type SASLOptions } from 'kafkajs';
import { TributaryError } from '../../../../errors.js';
import { coded } from '../cluster-fault.js';
import type { KafkaSecurity } from '../kafka-security.js';

export type { Admin, ITopicConfig, Kafka, KafkaMessage, Producer } from 'kafkajs';
// A CommonJS module, whose names Node cannot detect.
export const { ConfigResourceTypes, Partitioners } = kafkajs;
const { logLevel } = kafkajs;

/** The part of a connection that holds the requests which cannot be sent yet; not of kafkajs's interface, hence its pinned version. */
interface RequestQueue {
  readonly pending: readonly unknown[];
  /** Milliseconds since the epoch; -1 where a broker never asked to be left alone. */
  readonly throttledUntil: number;
  scheduleCheckPendingRequests(): void;
}

letIdleQueuesRest();

/**
 * Lets a connection set a timer only where it has something to wait for. From its first answer on, kafkajs sets one for a
 * moment in the past, and again whenever that fires: hundreds of times a second for each connection, 3 % of a core, and
 * Node 24 warns of it on standard error (tulios/kafkajs#1751). A new request looks at the queue by itself.
 */
function letIdleQueuesRest(): void {
  const require = createRequire(import.meta.url);
  const { prototype } = require('kafkajs/src/network/requestQueue/index.js') as { prototype: RequestQueue };
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
  };
}

export interface KafkaJsOptions extends KafkaSecurity {
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** Takes the client's warnings and errors. */
  readonly log: (level: 'warn' | 'error', message: string) => void;
}

/** What kafkajs logs as an error but retries or throws anyway: broker responses, rebalances, returning members. */
const EVERYDAY =
  /^(Response |Failed to send messages|The group is rebalancing|The coordinator is not aware|Limiting retries)/;
/** While a broker is down, the client repeats itself several times a second. */
const SAID_AGAIN_AFTER_MS = 30_000;
/** Attempts at a first connection; the addresses take turns. */
const FIRST_ATTEMPTS = 4;
const PAUSE_MS = 250;
/** For all attempts at a first connection together, without the pauses. */
const FIRST_CONNECTION_MS = 10_000;
/** For a later connection, to a broker that may be starting. */
const CONNECTION_TIMEOUT_MS = 5000;
/** Waits 0.3, 0.6, 1.2 s and so on: a lost broker may come back, or another one take the lead. */
const LATER_RETRIES = { retries: 10, maxRetryTime: 10_000 };

/** Opens a client of a cluster that answers. Errors: as in `connectKafkaJs`. */
export async function openClient(options: KafkaJsOptions): Promise<kafkajs.Kafka> {
  await requireBroker(options);
  return clientOf(options, { connectionTimeout: CONNECTION_TIMEOUT_MS, retry: LATER_RETRIES });
}

function clientOf(
  { brokers, clientId, ssl, sasl, log }: KafkaJsOptions,
  patience: Pick<KafkaConfig, 'connectionTimeout' | 'requestTimeout' | 'retry'>,
): kafkajs.Kafka {
  return new kafkajs.Kafka({
    ...patience,
    brokers: [...brokers],
    clientId,
    ...(ssl ? { ssl: { ...ssl } } : {}),
    // A copy, as kafkajs writes into it. Its type has one mapping for each mechanism.
    ...(sasl ? { sasl: { ...sasl } as SASLOptions } : {}),
    logLevel: logLevel.WARN,
    logCreator: () => {
      const isNews = newsFilter();
      return ({ level, log: { message, error } }) => {
        const text = `kafka: ${message}${detailOf(error)}`;
        if (!EVERYDAY.test(message) && isNews(text)) log(level === logLevel.ERROR ? 'error' : 'warn', text);
      };
    },
  });
}

/** Returns a check that a text has not been logged for a while. Memory: the texts of that time. */
function newsFilter(): (text: string) => boolean {
  const saidAt = new Map<string, number>();
  return (text) => {
    const now = performance.now();
    for (const [said, at] of saidAt) if (now - at > SAID_AGAIN_AFTER_MS) saidAt.delete(said);
    if (saidAt.has(text)) return false;
    saidAt.set(text, now);
    return true;
  };
}

/**
 * Connects briefly, so that a wrong address or password fails here. Each attempt is a client of its own, because kafkajs
 * considers a connection good even if its first request timed out.
 */
async function requireBroker(options: KafkaJsOptions): Promise<void> {
  const { brokers } = options;
  const attempts = Math.max(FIRST_ATTEMPTS, brokers.length);
  const timeout = Math.ceil(FIRST_CONNECTION_MS / attempts);
  const patience = { connectionTimeout: timeout, requestTimeout: timeout, retry: { retries: 0 } };
  for (let attempt = 1; ; attempt++) {
    const broker = brokers.slice((attempt - 1) % brokers.length).slice(0, 1);
    const probe = clientOf({ ...options, brokers: broker }, patience).admin();
    try {
      return await coded(`brokers ${brokers.join(', ')}`, () =>
        probe.connect().finally(() => probe.disconnect()),
      );
    } catch (error) {
      if (attempt === attempts || !(error instanceof TributaryError && error.retryable)) throw error;
      await wait(PAUSE_MS);
    }
  }
}

const detailOf = (error: unknown) => (error === undefined ? '' : `: ${String(error)}`);
