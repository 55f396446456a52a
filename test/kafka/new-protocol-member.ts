/** @file A member of a consumer group by the newer protocol (KIP-848), which kafkajs does not have: as little as takes it in. */

import { once } from 'node:events';
import { createConnection } from 'node:net';

interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

const CONSUMER_GROUP_HEARTBEAT = 68;
const JOINING = 0;
const LEAVING = -1;
const NOT_COORDINATOR = 16;
const ABSENT = Buffer.of(0);
const NO_TAGS = Buffer.of(0);
const EMPTY_LIST = Buffer.of(1);

const int16 = (value: number) => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};
const int32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
/** Of less than 127 bytes, whose length is a single byte. */
const compact = (text: string) => Buffer.concat([Buffer.of(text.length + 1), Buffer.from(text)]);

/** Joins a group at whichever broker coordinates it, and returns what leaves it again. */
export async function joinByNewProtocol(
  brokers: readonly BrokerAddress[],
  group: string,
  topic: string,
): Promise<() => Promise<void>> {
  for (const broker of brokers) {
    const heartbeat = connectMember(broker, group, topic);
    const { error, member } = await heartbeat('', JOINING);
    if (error === 0) return async () => void (await heartbeat(member, LEAVING));
    if (error !== NOT_COORDINATOR) throw new Error(`expected to join group ${group}, got error ${error}`);
  }
  throw new Error(`expected a coordinator of group ${group}, got none`);
}

/** Returns what sends a heartbeat of version 0, and resolves to the answer: an error, and the name of the member. */
function connectMember({ host, port }: BrokerAddress, group: string, topic: string) {
  const socket = createConnection({ host, port }).unref();
  let answered = Buffer.alloc(0);
  let correlation = 0;

  return async (member: string, epoch: number) => {
    correlation += 1;
    const client = Buffer.from('new');
    const head = [
      int16(CONSUMER_GROUP_HEARTBEAT),
      int16(0),
      int32(correlation),
      int16(client.length),
      client,
    ];
    const topics = Buffer.concat([Buffer.of(2), compact(topic)]);
    const who = [compact(group), compact(member), int32(epoch), ABSENT, ABSENT];
    const body = [...who, int32(30_000), topics, ABSENT, EMPTY_LIST, NO_TAGS];
    const request = Buffer.concat([...head, NO_TAGS, ...body]);
    socket.write(Buffer.concat([int32(request.length), request]));
    answered = Buffer.alloc(0);
    while (answered.length < 4 || answered.length < 4 + answered.readInt32BE(0)) {
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      answered = Buffer.concat([answered, chunk]);
    }
    // Length, correlation, tags and time of throttling come first.
    const length = Math.max(0, answered.readUInt8(16) - 1);
    return { error: answered.readInt16BE(13), member: answered.subarray(17, 17 + length).toString() };
  };
}
