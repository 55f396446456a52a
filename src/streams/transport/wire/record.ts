/** @file Messages as records of a log: bytes and headers; large ones as claims on a store. */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { TributaryError } from '../../../errors.js';
import type { TopicMessages } from '../../messages/messages.js';
import type { Headers } from '../contract/transport.js';
import type { TopicCodec } from '../kafka/topic-codec.js';
import type { PayloadStore } from './payload-store.js';
import { ClaimSchema } from './tributary_pb.js';
import { SCHEMA_VERSION, WIRE_CODECS, type WireTopic } from './wire-codecs.js';

/** A message in a log, without its key. */
interface WireRecord {
  readonly value: Uint8Array;
  readonly headers: Headers;
}

/** Headers of the record itself; all others are the caller's. */
export const RECORD_HEADERS = {
  schemaVersion: 'schema-version',
  /** `inline`, or `claim` where the value is a Claim. */
  payload: 'payload',
  /** `application/json` where the payload is the JSON of Protocol Buffers, as other programs may write it. */
  contentType: 'content-type',
} as const;

const BINARY = 'application/x-protobuf';
const JSON_TYPE = 'application/json';

interface RecordOptions {
  readonly payloads: PayloadStore;
  /** Larger payloads go to the store. */
  readonly maxInlineBytes: number;
  /** Claims of more bytes are refused unread. */
  readonly maxPayloadBytes: number;
  /** Hears of every message as it is written or read, with the bytes of its payload, wherever they lie. */
  readonly onCarried?: ((carried: Carried) => void) | undefined;
}

/** Bytes of a message that passed between this process and a log or its payload store. */
export interface Carried {
  readonly topic: WireTopic;
  readonly direction: 'written' | 'read';
  /** In the record, or in the payload store. */
  readonly payload: 'inline' | 'claim';
  readonly bytes: number;
}

interface RecordCodec {
  write<Topic extends WireTopic>(
    topic: Topic,
    message: TopicMessages[Topic],
    headers: Headers,
  ): Promise<WireRecord>;
  /** Errors: TRIB_MESSAGE for anything wrong with a record. */
  read<Topic extends WireTopic>(topic: Topic, record: WireRecord): Promise<TopicMessages[Topic]>;
  /** Stores any bytes, and returns a record that claims them. */
  claim(record: WireRecord): Promise<WireRecord>;
}

/** Creates the codec between messages and records. */
export function recordCodec({
  payloads,
  maxInlineBytes,
  maxPayloadBytes,
  onCarried,
}: RecordOptions): RecordCodec {
  const requireBound = (kind: string, size: number, got: string) => {
    if (size > maxPayloadBytes) throw recordFault(kind, `a payload of at most ${maxPayloadBytes} bytes`, got);
  };
  const claimed = async (kind: string, value: Uint8Array): Promise<Uint8Array> => {
    const claim = claimFrom(kind, value);
    requireBound(kind, claim.size, `a claim of ${claim.size}`);
    return payloads.get(claim);
  };
  const claim = async ({ value, headers }: WireRecord): Promise<WireRecord> => {
    const { uri, size, sha256 } = await payloads.put(value);
    const message = create(ClaimSchema, { uri, size: BigInt(size), sha256: Buffer.from(sha256, 'hex') });
    return {
      value: toBinary(ClaimSchema, message),
      headers: { ...headers, [RECORD_HEADERS.payload]: 'claim' },
    };
  };
  return {
    async write(topic, message, headers) {
      const value = WIRE_CODECS[topic].encode(message);
      // Of a message that came as JSON.
      const { [RECORD_HEADERS.contentType]: _, ...others } = headers;
      const versioned = { ...others, [RECORD_HEADERS.schemaVersion]: SCHEMA_VERSION };
      const inline = { value, headers: { ...versioned, [RECORD_HEADERS.payload]: 'inline' } };
      const isInline = value.length <= maxInlineBytes;
      onCarried?.({
        topic,
        direction: 'written',
        payload: isInline ? 'inline' : 'claim',
        bytes: value.length,
      });
      return isInline ? inline : claim(inline);
    },

    async read(topic, { value, headers }) {
      const codec = WIRE_CODECS[topic];
      const version = headers[RECORD_HEADERS.schemaVersion];
      if (version !== SCHEMA_VERSION)
        throw recordFault(codec.kind, `schema version ${SCHEMA_VERSION}`, version ?? 'no such header');
      const payload = headers[RECORD_HEADERS.payload] ?? 'inline';
      if (payload !== 'inline' && payload !== 'claim')
        throw recordFault(codec.kind, 'the header payload to say inline or claim', payload);
      const type = headers[RECORD_HEADERS.contentType] ?? BINARY;
      if (type !== BINARY && type !== JSON_TYPE)
        throw recordFault(codec.kind, `the header content-type to say ${BINARY} or ${JSON_TYPE}`, type);
      if (payload === 'inline') requireBound(codec.kind, value.length, `one of ${value.length}`);
      const bytes = payload === 'claim' ? await claimed(codec.kind, value) : value;
      onCarried?.({ topic, direction: 'read', payload, bytes: bytes.length });
      return type === JSON_TYPE ? codec.decodeJson(bytes) : codec.decode(bytes);
    },

    claim,
  };
}

function claimFrom(kind: string, value: Uint8Array) {
  try {
    const { uri, size, sha256 } = fromBinary(ClaimSchema, value);
    return { uri, size: Number(size), sha256: Buffer.from(sha256).toString('hex') };
  } catch (cause) {
    throw recordFault(kind, 'a whole claim', `${value.length} bytes that do not parse`, cause);
  }
}

function recordFault(kind: string, expected: string, got: string, cause?: unknown): TributaryError {
  return new TributaryError(
    'TRIB_MESSAGE',
    `record of ${kind}: expected ${expected}, got ${got.slice(0, 80)}. Write it as tributary.proto says.`,
    { cause },
  );
}

/**
 * Returns how all topics of a run are written. A dead letter is written as the message that it was, on the topic that its
 * header `origin` names.
 *
 * @param kindOf tells which topic of the catalog one is like.
 */
export function wireTopicCodec(
  records: RecordCodec,
  kindOf: (topic: string) => string | undefined = (topic) => topic,
): TopicCodec {
  const wireTopicOf = (topic: string | undefined) =>
    wireTopic(topic === undefined ? topic : (kindOf(topic) ?? topic));
  return {
    write: (topic, message, headers) => {
      const written = wireTopicOf(topic === 'dead-letters' ? headers.origin : topic);
      return records.write(written, message as TopicMessages[WireTopic], headers);
    },
    read: async (topic, record) => records.read(wireTopicOf(topic), record),
    claim: (record) => records.claim(record),
  };
}

function wireTopic(topic: string | undefined): WireTopic {
  if (topic !== undefined && Object.hasOwn(WIRE_CODECS, topic)) return topic as WireTopic;
  throw new TributaryError(
    'TRIB_MESSAGE',
    `record: expected a message of ${Object.keys(WIRE_CODECS).join(', ')}, got one of ${JSON.stringify(topic ?? null)}. Name its topic in the header origin.`,
  );
}
