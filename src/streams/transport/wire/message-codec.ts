import {
  create,
  type DescMessage,
  fromBinary,
  fromJsonString,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { TributaryError } from '../../../errors.js';

/** Converts the messages of one topic to bytes, and bytes that anyone may have written to messages. */
export interface MessageCodec<Message> {
  /** Such as `group rewards`. */
  readonly kind: string;
  /** Unknown fields of a message that this codec has read are written again. */
  encode(message: Message): Uint8Array;
  /**
   * Checks everything that the types and the program rely on.
   *
   * Memory: a few times the bytes.
   *
   * Errors: TRIB_MESSAGE.
   */
  decode(bytes: Uint8Array): Message;
  /** The same for a message in the JSON of Protocol Buffers, in UTF-8. */
  decodeJson(bytes: Uint8Array): Message;
}

/** What is wrong with a message; the codec adds the kind of message. */
export class MessageFault extends Error {
  constructor(
    /** Such as `rollout.tree.widths[2]`. */
    readonly path: string,
    readonly expected: string,
    readonly got: string,
  ) {
    super(`${path}: expected ${expected}, got ${got}`);
  }
}

/** Throws a `MessageFault` unless the condition holds. */
export function requireField(
  condition: boolean,
  path: string,
  expected: string,
  got: unknown,
): asserts condition {
  if (!condition) throw new MessageFault(path, expected, String(got));
}

/** Returns a part of a message, which must be there. */
export function requirePart<Part>(part: Part | undefined, path: string): Part {
  if (part === undefined) throw new MessageFault(path, 'a value', 'nothing');
  return part;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
/** Of what the parser says. */
const LONGEST_REASON = 300;

interface CodecSpec<Schema extends DescMessage, Message> {
  readonly kind: string;
  readonly schema: Schema;
  readonly toWire: (message: Message) => MessageInitShape<Schema>;
  /** Throws `MessageFault`. */
  readonly fromWire: (wire: MessageShape<Schema>) => Message;
}

/** Creates the codec of a message of tributary.proto. */
export function messageCodec<Schema extends DescMessage, Message extends object>({
  kind,
  schema,
  toWire,
  fromWire,
}: CodecSpec<Schema, Message>): MessageCodec<Message> {
  // By identity: a changed message is another object.
  const unknownOf = new WeakMap<Message, NonNullable<MessageShape<Schema>['$unknown']>>();
  const fault = (what: string, cause: unknown) =>
    new TributaryError('TRIB_MESSAGE', `${kind}${what}. Write it as tributary.proto says.`, { cause });
  const checked = (wire: MessageShape<Schema>): Message => {
    try {
      const message = fromWire(wire);
      if (wire.$unknown) unknownOf.set(message, wire.$unknown);
      return message;
    } catch (cause) {
      if (!(cause instanceof MessageFault)) throw cause;
      throw fault(` ${cause.message}`, cause);
    }
  };
  return {
    kind,
    encode(message) {
      const wire = create(schema, toWire(message));
      const unknown = unknownOf.get(message);
      if (unknown) wire.$unknown = unknown;
      return toBinary(schema, wire);
    },
    decode(bytes) {
      let wire: MessageShape<Schema>;
      try {
        wire = fromBinary(schema, bytes);
      } catch (cause) {
        throw fault(`: expected a whole message, got ${bytes.length} bytes that do not parse`, cause);
      }
      return checked(wire);
    },
    decodeJson(bytes) {
      let wire: MessageShape<Schema>;
      try {
        wire = fromJsonString(schema, utf8.decode(bytes), { ignoreUnknownFields: true });
      } catch (cause) {
        const why = (cause as Error).message.slice(0, LONGEST_REASON);
        throw fault(
          `: expected a whole message as JSON, got ${bytes.length} bytes that are none: ${why}`,
          cause,
        );
      }
      return checked(wire);
    },
  };
}
