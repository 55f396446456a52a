/** @file The dead letters of a run: reads them, and sends them again. */
import { TributaryError } from '../../errors.js';
import { kindOfTopic } from '../config/graph/topology-graph.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { TopicName } from '../messages/topics.js';
import type { Headers } from '../transport/contract/transport.js';
import type { LogRecord } from '../transport/kafka/log-driver.js';
import { readToEnd } from '../transport/kafka/read-to-end.js';
import { type OpenKafka, openKafka } from '../transport/open-kafka.js';

/** A message that a stage gave up on. */
export interface DeadLetterEntry {
  /** `<partition>:<offset>`: its place in the topic. */
  readonly position: string;
  /** Usually the group id. */
  readonly key: string;
  /** The topic that it was on. */
  readonly origin: string;
  /** The consumer group or stage that gave up. */
  readonly stage: string;
  readonly reason: string;
  readonly headers: Headers;
  /** The original bytes, or a claim on them. */
  readonly value: Uint8Array;
}

/** Headers that say why a message died; they are removed when it is sent again. */
const POST_MORTEM: readonly string[] = ['origin', 'stage', 'reason', 'attempts', 'code'];

export interface DeadLetters {
  /** The newest letters, oldest first. Memory: as many as `most`, with their bytes. */
  newest(most: number): Promise<readonly DeadLetterEntry[]>;
  /** The letters at some positions. Errors: TRIB_USAGE if there is none at one of them. */
  at(positions: readonly string[]): Promise<readonly DeadLetterEntry[]>;
  /**
   * Sends letters to the topics they came from again, byte for byte. They stay dead letters too.
   *
   * Errors: TRIB_USAGE if a letter does not say where it came from; then none is sent.
   */
  replay(letters: readonly DeadLetterEntry[]): Promise<void>;
  close(): Promise<void>;
}

/** Opens the dead letters of a run. Errors: as `openKafka`. */
export async function openDeadLetters(
  config: ResolvedConfig,
  warn: (message: string) => void,
): Promise<DeadLetters> {
  const { driver, inCluster }: OpenKafka = await openKafka(config, warn);
  const topic = inCluster('dead-letters');
  const read = (onEntry: (entry: DeadLetterEntry) => void) =>
    readToEnd(driver, topic, (record) => onEntry(entryOf(record)));
  return {
    async newest(most) {
      const entries: DeadLetterEntry[] = [];
      await read((entry) => {
        entries.push(entry);
        if (entries.length > most) entries.shift();
      });
      return entries;
    },

    async at(positions) {
      const found = new Map<string, DeadLetterEntry>();
      await read((entry) => {
        if (positions.includes(entry.position)) found.set(entry.position, entry);
      });
      return positions.map((position) => found.get(position) ?? missing(position));
    },

    async replay(letters) {
      const isKnown = kindOfTopic(config);
      const origins = letters.map((letter) => originOf(letter, isKnown));
      for (const [index, letter] of letters.entries()) {
        const kept = Object.entries(letter.headers).filter(([name]) => !POST_MORTEM.includes(name));
        const headers = { ...Object.fromEntries(kept), 'replay-of': letter.position };
        const { key, value } = letter;
        await driver.append(inCluster(origins[index] as TopicName), [{ key, value, headers }]);
      }
    },

    close: () => driver.close(),
  };
}

function entryOf({ partition, offset, key, value, headers }: LogRecord): DeadLetterEntry {
  const { origin = '', stage = '', reason = '' } = headers;
  return { position: `${partition}:${offset}`, key, origin, stage, reason, headers, value };
}

function originOf(
  { position, origin }: DeadLetterEntry,
  kindOf: (topic: string) => TopicName | undefined,
): TopicName {
  // A topic of the config's own is named like one of the catalog from here on.
  if (origin !== 'dead-letters' && kindOf(origin) !== undefined) return origin as TopicName;
  throw new TributaryError(
    'TRIB_USAGE',
    `dead letter ${position}: expected its original topic in the header origin, got "${origin}". Omit it.`,
  );
}

function missing(position: string): never {
  throw new TributaryError(
    'TRIB_USAGE',
    `dead letter ${position}: expected one at this position, got none. \`tributary dead-letters list\` has the positions.`,
  );
}
