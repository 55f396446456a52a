/** @file What a stranger may have written onto the topics of a run of the tiny pipeline, and what has to be said of it. */

import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { PictureGroup, TopicMessages } from '../../src/streams/messages/messages.js';
import type { TopicName } from '../../src/streams/messages/topics.js';
import type { NewRecord } from '../../src/streams/transport/kafka/log-driver.js';
import { hashOf } from '../../src/streams/transport/wire/payload-store.js';
import {
  ClaimSchema,
  GroupImagesSchema,
  GroupRewardsSchema,
  GroupTrajectoriesSchema,
} from '../../src/streams/transport/wire/tributary_pb.js';
import { SCHEMA_VERSION, WIRE_CODECS } from '../../src/streams/transport/wire/wire-codecs.js';

export interface BadRecord {
  readonly topic: TopicName;
  /** What is wrong with it. */
  readonly key: string;
  /** A part of what its dead letter says. */
  readonly reason: string;
  readonly record: NewRecord;
}

/** More than a broker of the tests takes by default, and more than is fetched at once. */
export const VAST_BYTES = 10 * 2 ** 20;
/** Of one picture, or latent, of the tiny pipeline. */
const SIZE = 3 * 16 * 16;
const VERSION = { 'schema-version': SCHEMA_VERSION };

const ticket = { groupId: '0-1', groupIndex: 1, round: 0, prompt: 'a red circle' };
const head = {
  ...ticket,
  interval: { round: 0, firstStep: 2, numSteps: 4, trainedSteps: [2, 3] },
  policyVersion: 0,
  tree: { firstStep: 2, widths: [1, 3, 3] },
};
const pictures = (shape: PictureGroup['imageShape'], count = 3): PictureGroup => ({
  ...head,
  imageShape: shape,
  branches: Array.from({ length: count }, () => new Float32Array(shape[0] * shape[1] * shape[2])),
});
/** The first path begins where the group does; the others leave it with the first step, and have as many. */
const trajectories = (latentSize: number) => ({
  ...head,
  branches: Array.from({ length: 3 }, () => ({
    firstStep: 2,
    latents: new Float32Array(3 * latentSize),
    logProbs: new Float32Array(2),
  })),
});
const rewards = (groupId: string, round: number, values: readonly number[]) => ({
  groupId,
  round,
  rewards: values,
});

function bad(
  topic: TopicName,
  key: string,
  value: Uint8Array,
  reason: string,
  headers: NewRecord['headers'] = {},
): BadRecord {
  return { topic, key, reason, record: { key, value, headers: { ...VERSION, ...headers } } };
}

/** A message that is whole as far as tributary.proto goes. */
function whole<Topic extends keyof typeof WIRE_CODECS>(
  topic: Topic,
  key: string,
  message: TopicMessages[Topic],
  reason: string,
): BadRecord {
  const codec = WIRE_CODECS[topic] as { encode(message: TopicMessages[Topic]): Uint8Array };
  return bad(topic, key, codec.encode(message), reason);
}

/** Bytes of a message of which something was changed that its codec would not write. */
function spoilt<Schema extends DescMessage>(
  schema: Schema,
  bytes: Uint8Array,
  spoil: (wire: MessageShape<Schema>) => void,
): Uint8Array {
  const wire = fromBinary(schema, bytes);
  spoil(wire);
  return toBinary(schema, wire);
}

const goodImages = WIRE_CODECS.images.encode(pictures([3, 16, 16]));
const goodTrajectories = WIRE_CODECS.trajectories.encode(trajectories(SIZE));
const nan = (length: number) => new Uint8Array(new Float32Array(length).fill(Number.NaN).buffer);

function badPrompts(): BadRecord[] {
  const { prompts } = WIRE_CODECS;
  const good = prompts.encode(ticket);
  return [
    bad('prompts', 'no protobuf', Buffer.from('no protobuf'), 'do not parse'),
    bad('prompts', 'half a message', good.slice(0, good.length / 2), 'do not parse'),
    bad('prompts', 'another version', good, 'expected schema version 1, got 999', {
      'schema-version': '999',
    }),
    bad('prompts', 'another packing', good, 'inline or claim, got zip', { payload: 'zip' }),
    whole('prompts', 'no id', { ...ticket, groupId: '' }, 'ticket.group_id: expected a group id'),
    whole('prompts', 'an unknown group', { ...ticket, groupId: '0-99' }, 'expected a group <round>'),
    whole('prompts', 'another index', { ...ticket, groupIndex: 9 }, 'expected group 0-1 to be the 1th'),
  ];
}

function badImages(): BadRecord[] {
  const changed = (spoil: (wire: MessageShape<typeof GroupImagesSchema>) => void) =>
    spoilt(GroupImagesSchema, goodImages, spoil);
  const truncated = changed(({ images: [first] }) => {
    if (first) first.data = first.data.slice(0, 100);
  });
  const notFinite = changed(({ images: [first] }) => {
    if (first) Object.assign(first, { elementType: 1, data: nan(SIZE) });
  });
  const fewer = { ...pictures([3, 16, 16], 2), tree: { firstStep: 2, widths: [1, 2, 2] } };
  return [
    bad('images', 'half a picture', goodImages.slice(0, goodImages.length - 100), 'do not parse'),
    bad('images', 'a truncated picture', truncated, 'images[0].data: expected 1536 bytes'),
    bad('images', 'a picture with NaN', notFinite, 'images[0].data[0]: expected a finite number'),
    bad(
      'images',
      'no pictures',
      changed((wire) => wire.images.splice(0)),
      'branches: expected 1 to 4096',
    ),
    whole('images', 'small pictures', pictures([3, 8, 8]), 'pictures of [3, 16, 16], got [3, 8, 8]'),
    whole('images', 'turned pictures', pictures([16, 16, 3]), 'pictures of [3, 16, 16], got [16, 16, 3]'),
    whole('images', 'two pictures of three', fewer, 'expected the tree 2: 1, 3, 3, got 2: 1, 2, 2'),
  ];
}

function badTrajectories(): BadRecord[] {
  const changed = (spoil: (wire: MessageShape<typeof GroupTrajectoriesSchema>) => void) =>
    spoilt(GroupTrajectoriesSchema, goodTrajectories, spoil);
  const truncated = changed(({ trajectories: [first] }) => {
    if (first?.latents) first.latents.data = first.latents.data.slice(2);
  });
  const flat = changed(({ trajectories: [first] }) => {
    if (first?.latents) first.latents.shape = [3 * SIZE];
  });
  const notFinite = changed(({ trajectories: [first] }) => {
    if (first?.logProbs) Object.assign(first.logProbs, { elementType: 1, data: nan(2) });
  });
  const [first] = trajectories(SIZE).branches;
  const alone = { ...trajectories(SIZE), tree: { firstStep: 2, widths: [1, 1, 1] }, branches: [first] };
  const longer = { ...head.interval, numSteps: 5 };
  const later = {
    ...trajectories(SIZE),
    interval: longer,
    tree: { firstStep: 3, widths: [1, 3, 3] },
    branches: trajectories(SIZE).branches.map((branch) => ({ ...branch, firstStep: 3 })),
  };
  return [
    bad('trajectories', 'a truncated tensor', truncated, 'latents.data: expected 4608 bytes'),
    bad(
      'trajectories',
      'a flat tensor',
      flat,
      'latents.shape: expected [3, size of a latent] or [3, channels, height, width], got [2304]',
    ),
    bad('trajectories', 'log-probs with NaN', notFinite, 'log_probs.data[0]: expected a finite number'),
    whole('trajectories', 'another model', trajectories(10), `expected latents of ${SIZE} numbers, got 10`),
    whole('trajectories', 'one branch', alone as never, 'expected the tree 2: 1, 3, 3, got 2: 1, 1, 1'),
    whole('trajectories', 'more steps', later, 'expected rollouts of 4 steps, got 5'),
  ];
}

function badRewards(): BadRecord[] {
  const of = (key: string, message: TopicMessages['rewards'], reason: string) =>
    whole('rewards', key, message, reason);
  const neither = toBinary(GroupRewardsSchema, create(GroupRewardsSchema, { groupId: '0-1' }));
  const unknown = 'expected a group <round>-<index>';
  return [
    of('NaN', rewards('0-0', 0, [Number.NaN, 1, 2]), 'rewards.values[0]: expected a finite number, got NaN'),
    of('infinity', rewards('0-0', 0, [1, Number.POSITIVE_INFINITY, 2]), 'got Infinity'),
    of('no rewards', rewards('0-0', 0, []), 'rewards.values: expected one number a branch, got none'),
    of('a group of nobody', rewards('no group', 0, [1, 2, 3]), unknown),
    of('a stage that never comes', rewards('7-0', 7, [1, 2, 3]), unknown),
    of('another stage than the id says', rewards('1-2', 0, [1, 2, 3]), unknown),
    bad('rewards', 'neither rewards nor a loss', neither, 'outcome: expected rewards or a loss'),
  ];
}

/** Claims of payloads in a store that is a folder, which may hold other bytes than it should. */
async function badClaims(folder: string): Promise<BadRecord[]> {
  const claim = (key: string, fields: MessageInitShape<typeof ClaimSchema>, reason: string) =>
    bad('trajectories', key, toBinary(ClaimSchema, create(ClaimSchema, fields)), reason, {
      payload: 'claim',
    });
  const store = async (bytes: Uint8Array, under: string) => {
    await mkdir(join(folder, under.slice(0, 2)), { recursive: true });
    await writeFile(join(folder, under.slice(0, 2), under), bytes);
    return Buffer.from(under, 'hex');
  };
  const other = await store(
    goodTrajectories.map((byte) => byte ^ 1),
    hashOf(goodTrajectories),
  );
  const short = randomBytes(100);
  const size = BigInt(goodTrajectories.length);
  const nonsense = randomBytes(VAST_BYTES);
  return [
    claim('bytes with another hash', { size, sha256: other }, 'expected the claimed bytes in'),
    claim(
      'bytes of another size',
      { size: 101n, sha256: await store(short, hashOf(short)) },
      'expected 101 bytes in',
    ),
    claim('bytes that are gone', { size, sha256: randomBytes(32) }, 'claim: expected the file'),
    claim('no hash', { size, sha256: Buffer.from('..') }, 'expected a SHA-256 in hexadecimal'),
    claim(
      'a payload beyond all bounds',
      { size: 2n ** 40n, sha256: randomBytes(32) },
      'expected a payload of at most',
    ),
    claim(
      'a vast payload that is no message',
      { size: BigInt(nonsense.length), sha256: await store(nonsense, hashOf(nonsense)) },
      'do not parse',
    ),
    bad('trajectories', 'half a claim', Uint8Array.of(0x0a, 200), 'expected a whole claim', {
      payload: 'claim',
    }),
  ];
}

/** Records for topics that take vast ones. */
function vastRecords(): BadRecord[] {
  const latents = trajectories(Math.ceil(VAST_BYTES / (3 * 3 * 2)));
  const values = Array.from({ length: VAST_BYTES / 8 }, (_, index) => index);
  return [
    bad('images', 'vast zeros', new Uint8Array(VAST_BYTES), 'do not parse'),
    whole('trajectories', 'vast latents', latents, `expected latents of ${SIZE} numbers`),
    whole('rewards', 'vast rewards', rewards('0-77', 0, values), 'expected a group <round>'),
  ];
}

/** Everything at once; a store of payloads may be made to hold other bytes than it says. */
export async function badRecords(payloads: string): Promise<readonly BadRecord[]> {
  const small = [...badPrompts(), ...badImages(), ...badTrajectories(), ...badRewards()];
  return [...small, ...(await badClaims(payloads)), ...vastRecords()];
}
