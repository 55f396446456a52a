import { isDeepStrictEqual } from 'node:util';
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MessageCodec } from '../../../../src/streams/transport/wire/message-codec.js';
import {
  ElementType,
  GroupImagesSchema,
  GroupRewardsSchema,
  GroupTrajectoriesSchema,
  MetricSchema,
  PictureRequestSchema,
  TrainingIntervalSchema,
} from '../../../../src/streams/transport/wire/tributary_pb.js';
import { WIRE_CODECS } from '../../../../src/streams/transport/wire/wire-codecs.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { RUNS_ALL } from '../../../fixtures/test-all.js';
import { MESSAGES, WIRE_TOPICS } from './messages.js';

/** All topics as one: what is true of every message. */
const codecOf = (topic: (typeof WIRE_TOPICS)[number]) => WIRE_CODECS[topic] as MessageCodec<unknown>;

describe.each(WIRE_TOPICS)('a message of topic %s', (topic) => {
  const codec = codecOf(topic);
  const messages = MESSAGES[topic] as fc.Arbitrary<unknown>;

  it('should come back as it was sent', () => {
    fc.assert(
      fc.property(messages, (message) => {
        expect(codec.decode(codec.encode(message))).toEqual(message);
      }),
    );
  });

  it('should be read without what a later schema adds to it', () => {
    // Field 1000, a string: what this version has never heard of.
    const added = Uint8Array.of(0xc2, 0x3e, 3, 97, 98, 99);
    fc.assert(
      fc.property(messages, (message) => {
        expect(codec.decode(Buffer.concat([codec.encode(message), added]))).toEqual(message);
      }),
      { numRuns: 20 },
    );
  });

  it('should be refused with a code, or be whole, whatever its bytes are', () => {
    const damaged = fc
      .tuple(messages, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat())
      .map(([message, changes, cut]) => {
        const bytes = Uint8Array.from(codec.encode(message));
        for (const [place, byte] of changes) bytes[place % Math.max(1, bytes.length)] = byte;
        return cut % 2 === 0 ? bytes : bytes.subarray(0, cut % (bytes.length + 1));
      });
    const bytes = fc.oneof(
      { arbitrary: damaged, weight: 4 },
      { arbitrary: fc.uint8Array({ maxLength: 64 }), weight: 1 },
    );
    fc.assert(
      fc.property(bytes, (given) => {
        let message: unknown;
        try {
          message = codec.decode(given);
        } catch (error) {
          expect(error).toMatchObject({ code: 'TRIB_MESSAGE', message: expect.stringContaining(codec.kind) });
          return;
        }
        // What was read can be written, and is the same when it is read again.
        const again = codec.decode(codec.encode(message));
        if (!isDeepStrictEqual(again, message)) expect(again).toEqual(message);
      }),
      { numRuns: RUNS_ALL ? 12_500 : 1250 },
    );
  }, 120_000);

  it('should be refused with a code, or be whole, whatever its JSON is', () => {
    const texts = fc.oneof(
      fc.json({ maxDepth: 3 }),
      fc.dictionary(
        fc.constantFrom('groupId', 'round', 'best', 'voter', 'rewards', 'id', 'prompt'),
        fc.jsonValue(),
      ),
    );
    fc.assert(
      fc.property(texts, (given) => {
        const text = typeof given === 'string' ? given : JSON.stringify(given);
        try {
          codec.encode(codec.decodeJson(new TextEncoder().encode(text)));
        } catch (error) {
          expect(error).toMatchObject({ code: 'TRIB_MESSAGE', message: expect.stringContaining(codec.kind) });
        }
      }),
    );
  });
});

describe('fields that are not known', () => {
  // Field 1000, a number: 7.
  const unknown = Buffer.from([0xc0, 0x3e, 7]);

  it('should be kept where a message is written as it was read, and not where it was changed', () => {
    const { prompts } = WIRE_CODECS;
    const ticket = { groupId: '0-1', groupIndex: 1, round: 0, prompt: 'a' };
    const bytes = Buffer.concat([prompts.encode(ticket), unknown]);
    const read = prompts.decode(bytes);
    expect(read).toEqual(ticket);
    expect(Buffer.from(prompts.encode(read))).toEqual(bytes);
    expect(Buffer.from(prompts.encode({ ...read }))).toEqual(bytes.subarray(0, -unknown.length));
  });
});

/** Fields of a message that is still to be made. */
type Fields<Schema extends DescMessage> = Exclude<MessageInitShape<Schema>, { $typeName: string }>;

describe('faults', () => {
  const rollout = {
    ticket: { groupId: '0-1', groupIndex: 1, round: 0, prompt: 'a red circle' },
    interval: { round: 0, numSteps: 3, trainedSteps: [1, 2] },
    tree: { firstStep: 1, widths: [1, 2, 2] },
    policyVersion: 0,
  };
  const numbers = (values: readonly number[], shape = [values.length]) => ({
    elementType: ElementType.FLOAT32,
    shape,
    data: new Uint8Array(Float32Array.from(values).buffer),
  });
  const picture = numbers([0, 0.5, 1], [3, 1, 1]);
  const messageOf = async (decode: () => unknown) => {
    const [code, message] = await faultOf(decode);
    expect(code).toBe('TRIB_MESSAGE');
    return message;
  };
  const imagesFault = (init: Fields<typeof GroupImagesSchema>) =>
    messageOf(() =>
      WIRE_CODECS.images.decode(
        toBinary(
          GroupImagesSchema,
          create(GroupImagesSchema, { rollout, images: [picture, picture], ...init }),
        ),
      ),
    );
  const first = { firstStep: 1, latents: numbers([1, 2, 3], [3, 1]), logProbs: numbers([1, 2]) };
  const second = { firstStep: 1, latents: numbers([1, 2, 3], [3, 1]), logProbs: numbers([1, 2]) };

  it('should name the place, what was expected, what came, and the next step', async () => {
    expect(await imagesFault({ images: [picture] })).toBe(
      'group images rollout.tree.widths: expected 1 leaves, one a branch, got 2. Write it as tributary.proto says.',
    );
  });

  it.each<[string, Fields<typeof GroupImagesSchema>]>([
    ['rollout.ticket: expected a value, got nothing', { rollout: { ...rollout, ticket: undefined } }],
    [
      'rollout.ticket.group_id: expected a group id, got ""',
      { rollout: { ...rollout, ticket: { ...rollout.ticket, groupId: '' } } },
    ],
    [
      'rollout.interval.trained_steps[1]: expected a step above 2, below 3, got 1',
      { rollout: { ...rollout, interval: { ...rollout.interval, trainedSteps: [2, 1] } } },
    ],
    [
      'rollout.interval.trained_steps: expected at least one step, got none',
      { rollout: { ...rollout, interval: { ...rollout.interval, trainedSteps: [] } } },
    ],
    [
      'rollout.interval.num_steps: expected at most 1000 steps, got 4000000000',
      { rollout: { ...rollout, interval: { ...rollout.interval, numSteps: 4_000_000_000 } } },
    ],
    [
      'rollout.tree.widths: expected steps up to 3, got 4',
      { rollout: { ...rollout, tree: { firstStep: 2, widths: [1, 2, 2] } } },
    ],
    [
      'rollout.tree.widths[2]: expected a multiple of the width before, 4, got 2',
      { rollout: { ...rollout, tree: { firstStep: 1, widths: [1, 4, 2] } } },
    ],
    ['branches: expected 1 to 4096, got 0', { images: [] }],
    [
      'images[1].shape: expected [3, 1, 1], as of the first, got [1, 3, 1]',
      { images: [picture, numbers([1, 2, 3], [1, 3, 1])] },
    ],
    [
      'images[0].shape: expected [channels, height, width], got [3]',
      { images: [numbers([1, 2, 3]), numbers([1, 2, 3])] },
    ],
    [
      'images[1].data[2]: expected a finite number, got NaN',
      { images: [picture, numbers([0, 1, Number.NaN])] },
    ],
    [
      'images[0].data: expected 16 bytes for the shape [4], got 12',
      { images: [{ ...picture, shape: [4] }, picture] },
    ],
    [
      'bytes for the shape [4294967295, 4294967295], got 12',
      { images: [{ ...picture, shape: [0xffffffff, 0xffffffff] }, picture] },
    ],
    [
      'images[0].element_type: expected FLOAT32 or FLOAT16, got 0',
      { images: [{ ...picture, elementType: ElementType.ELEMENT_TYPE_UNSPECIFIED }, picture] },
    ],
  ])('should refuse pictures: %s', async (words, init) => {
    expect(await imagesFault(init)).toContain(words);
  });

  it.each<[string, Fields<typeof GroupTrajectoriesSchema>['trajectories']]>([
    ['trajectories[1].first_step: expected 1 by the tree, got 2', [first, { ...second, firstStep: 2 }]],
    [
      'trajectories[1].log_probs: expected 2 steps by the tree, got 3',
      [first, { ...second, logProbs: numbers([1, 2, 3]) }],
    ],
    [
      'trajectories[0].latents.shape: expected [3, size of a latent] or [3, channels, height, width], got [3]',
      [{ ...first, latents: numbers([1, 2, 3]) }, second],
    ],
    [
      'trajectories[1].latents: expected latents of 1 numbers, as in the first, got 2',
      [first, { ...second, latents: numbers([1, 2, 3, 4, 5, 6], [3, 2]) }],
    ],
    ['trajectories[1].log_probs: expected a value, got nothing', [first, { ...second, logProbs: undefined }]],
  ])('should refuse trajectories: %s', async (words, trajectories) => {
    const bytes = toBinary(
      GroupTrajectoriesSchema,
      create(GroupTrajectoriesSchema, { rollout, trajectories: trajectories ?? [] }),
    );
    expect(await messageOf(() => WIRE_CODECS.trajectories.decode(bytes))).toContain(words);
  });

  it.each<[string, Fields<typeof GroupRewardsSchema>]>([
    [
      'rewards.values[1]: expected a finite number, got NaN',
      { outcome: { case: 'rewards', value: { values: [1, Number.NaN] } } },
    ],
    ['rewards.values: expected one number a branch, got none', { outcome: { case: 'rewards', value: {} } }],
    ['outcome: expected rewards or a loss, got neither', {}],
    [
      'loss.reason: expected stale, dead-letter, unmatched, dropped, got 0',
      { outcome: { case: 'loss', value: {} } },
    ],
    ['group_id: expected a group id, got ""', { groupId: '' }],
  ])('should refuse rewards: %s', async (words, init) => {
    const bytes = toBinary(GroupRewardsSchema, create(GroupRewardsSchema, { groupId: '0-1', ...init }));
    expect(await messageOf(() => WIRE_CODECS.rewards.decode(bytes))).toContain(words);
  });

  it('should refuse a request whose id could name another place than a folder of the gateway', async () => {
    const bytes = toBinary(PictureRequestSchema, create(PictureRequestSchema, { id: 'g-0/1', prompt: 'a' }));
    expect(await messageOf(() => WIRE_CODECS.requests.decode(bytes))).toContain(
      'id: expected g- and 24 hexadecimal digits, got "g-0/1"',
    );
  });

  it('should refuse metrics that nobody knows, and verdicts over more pictures than there are', async () => {
    expect(await messageOf(() => WIRE_CODECS.metrics.decode(new Uint8Array()))).toContain(
      'metric: expected scored',
    );
    const value = { images: 2, verdicts: { satisfied: 3, score: 1 } };
    const bytes = toBinary(MetricSchema, create(MetricSchema, { metric: { case: 'scored', value } }));
    expect(await messageOf(() => WIRE_CODECS.metrics.decode(bytes))).toContain('at most 2, got 3');
  });

  it('should say how many bytes did not parse', async () => {
    expect(await messageOf(() => WIRE_CODECS.prompts.decode(Uint8Array.of(0x0a, 9, 97)))).toBe(
      'prompt ticket: expected a whole message, got 3 bytes that do not parse. Write it as tributary.proto says.',
    );
  });
});

describe('size', () => {
  it('should halve what float16 holds, and keep every bit of what it does not', () => {
    const sizeOf = (values: readonly number[]) =>
      WIRE_CODECS.policy.encode({ version: 0, parameters: { a: Float32Array.from(values) } }).length;
    const halves = Array.from({ length: 1000 }, (_, index) => index / 8);
    expect(sizeOf(halves)).toBeLessThan(2100);
    expect(sizeOf([...halves.slice(1), 0.1])).toBeGreaterThan(4000);
  });

  it('should not depend on how the trained steps were written', () => {
    const packed = WIRE_CODECS.schedule.encode({
      round: 3,
      firstStep: 1,
      numSteps: 6,
      trainedSteps: [1, 4],
    });
    expect(fromBinary(TrainingIntervalSchema, packed).trainedSteps).toEqual([1, 4]);
    // One by one, as proto2 writers do: field 3, varint.
    const unpacked = Uint8Array.of(0x08, 3, 0x10, 6, 0x18, 1, 0x18, 4);
    expect(WIRE_CODECS.schedule.decode(unpacked)).toEqual(WIRE_CODECS.schedule.decode(packed));
  });
});
