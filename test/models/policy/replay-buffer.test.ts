import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors } from '../../../src/models/files/safetensors.js';
import type { ReplayBuffer, Transition } from '../../../src/models/policy/replay-buffer.js';
import { push, sample } from '../../../src/models/policy/replay-buffer.js';
import { decodeReplayBuffer, encodeReplayBuffer } from '../../../src/models/policy/replay-buffer-file.js';
import { counterRandom } from '../../../src/models/random/counter-random.js';
import { faultOf } from '../../fixtures/fault-of.js';

/** A transition that can be told apart by its policyVersion. */
const transition = (policyVersion: number, rest: Partial<Transition> = {}): Transition => ({
  prompt: 'a red circle',
  step: 0,
  latents: Float32Array.of(policyVersion, 0.5),
  nextLatents: Float32Array.of(policyVersion, -0.5),
  logProb: -1.25,
  reward: 0.75,
  policyVersion,
  ...rest,
});
const numbered = (count: number): ReplayBuffer => Array.from({ length: count }, (_, i) => transition(i));
const versions = (buffer: readonly Transition[]) => buffer.map(({ policyVersion }) => policyVersion);
const shuffleStream = (seed: number) => counterRandom({ seed, purpose: 'shuffle' });

describe('pushed', () => {
  it('should drop the oldest, and leave what it was given alone', () => {
    const three = numbered(3);
    expect(versions(push(three, [transition(3), transition(4)], 4))).toEqual([1, 2, 3, 4]);
    expect(versions(three)).toEqual([0, 1, 2]);
    expect(versions(push([], numbered(9), 2))).toEqual([7, 8]);
    expect(push([], [], 2)).toEqual([]);
  });

  it('should hold the newest of everything ever push, in order', () => {
    const pushes = fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 12 });
    fc.assert(
      fc.property(pushes, fc.integer({ min: 1, max: 9 }), (sizes, capacity) => {
        let buffer: ReplayBuffer = [];
        let next = 0;
        for (const size of sizes) {
          const batch = Array.from({ length: size }, () => transition(next++));
          buffer = push(buffer, batch, capacity);
        }
        const kept = Math.min(next, capacity);
        expect(versions(buffer)).toEqual(Array.from({ length: kept }, (_, i) => next - kept + i));
      }),
    );
  });

  it.each([0, -1, 1.5, Number.NaN])('should refuse room for %d transitions', async (capacity) => {
    expect(await faultOf(() => push([], numbered(1), capacity))).toEqual([
      'TRIB_INTERNAL',
      `replay buffer capacity: expected a whole number above 0, got ${capacity}. Give the buffer room.`,
    ]);
  });

  it('should refuse latents of another length', async () => {
    const longer = transition(1, { nextLatents: new Float32Array(3) });
    expect(await faultOf(() => push(numbered(1), [longer], 4))).toEqual([
      'TRIB_INTERNAL',
      'replay buffer latents: expected 2 numbers before and after a step, got 2 and 3. Keep one buffer a model.',
    ]);
  });
});

describe('a buffer of pictures of several sizes', () => {
  const sized = (version: number, ...latentShape: [number, number, number]) => {
    const latents = new Float32Array(latentShape.reduce((product, side) => product * side)).fill(version);
    return transition(version, { latentShape, latents, nextLatents: latents.map((value) => -value) });
  };

  it('should hold them side by side, and store each size in a table of its own', () => {
    const buffer = push([sized(0, 2, 2, 3)], [sized(1, 2, 4, 1), transition(2), sized(3, 2, 2, 3)], 4);
    const bytes = encodeReplayBuffer(buffer);
    const { tensors } = decodeSafetensors(bytes, 'replay.safetensors');
    const shapes = ['latents', 'latents.2x2x3', 'latents.2x4x1'].map((name) => tensors.get(name)?.shape);
    expect(shapes).toEqual([
      [2, 2],
      [4, 12],
      [2, 8],
    ]);
    expect([...(tensors.get('before')?.data ?? [])]).toEqual([2n, 6n, 0n, 4n]);
    expect(decodeReplayBuffer(bytes, 'replay.safetensors')).toEqual(buffer);
  });

  it('should refuse latents that are not of their shape', async () => {
    const short = { ...sized(1, 2, 2, 3), nextLatents: new Float32Array(8) };
    expect((await faultOf(() => push([], [short], 4)))[1]).toContain(
      'expected 12 numbers before and after a step, got 12 and 8',
    );
  });

  it('should refuse a file whose step ends in the table of another size', async () => {
    const bytes = encodeReplayBuffer([sized(0, 2, 2, 3), sized(1, 2, 4, 1)]);
    const { tensors, metadata } = decodeSafetensors(bytes, 'replay.safetensors');
    const after = { dtype: 'I64' as const, shape: [2], data: BigInt64Array.of(2n, 1n) };
    const damaged = encodeSafetensors({ tensors: new Map([...tensors, ['after', after]]), metadata });
    const [code, message] = await faultOf(() => decodeReplayBuffer(damaged, 'replay.safetensors'));
    expect([code, message]).toEqual([
      'TRIB_CHECKPOINT',
      expect.stringContaining('after: expected the table of the latents before, got place 2'),
    ]);
  });
});

describe('sample', () => {
  it('should draw without replacement, from the buffer alone, the same for equal streams', () => {
    fc.assert(
      fc.property(fc.nat({ max: 20 }), fc.nat({ max: 25 }), fc.nat(), (size, count, seed) => {
        const buffer = numbered(size);
        const drawn = versions(sample(buffer, count, shuffleStream(seed)));
        expect(drawn).toHaveLength(Math.min(size, count));
        expect(new Set(drawn).size).toBe(drawn.length);
        expect(drawn.every((version) => version < size)).toBe(true);
        expect(versions(sample(buffer, count, shuffleStream(seed)))).toEqual(drawn);
      }),
    );
  });

  it('should draw every transition equally often, at every place', () => {
    const [buffer, random, draws] = [numbered(8), shuffleStream(3), 8000];
    const counts = Array.from({ length: 3 }, () => new Array<number>(8).fill(0));
    for (let draw = 0; draw < draws; draw++)
      for (const [place, version] of versions(sample(buffer, 3, random)).entries())
        counts[place]![version]!++;
    // Binomial(8000, 1/8): mean 1000, standard deviation 29.6; five of them.
    for (const count of counts.flat()) expect(Math.abs(count - draws / 8)).toBeLessThan(148);
  });

  it('should draw anew at every call', () => {
    const random = shuffleStream(3);
    const buffer = numbered(50);
    expect(versions(sample(buffer, 10, random))).not.toEqual(versions(sample(buffer, 10, random)));
  });
});

describe('the file of a replay buffer', () => {
  const float = fc.float({ noNaN: true });
  const latents = fc.array(float, { minLength: 3, maxLength: 3 }).map((values) => Float32Array.from(values));
  const transitions = fc.array(
    fc.record<Transition, keyof Omit<Transition, 'negativePrompt' | 'latentShape'>>(
      {
        prompt: fc.oneof(fc.constantFrom('a', 'b'), fc.string({ unit: 'binary' })),
        negativePrompt: fc.constantFrom('a', 'b'),
        latentShape: fc.constantFrom([1, 1, 3] as const, [1, 3, 1] as const),
        step: fc.nat({ max: 49 }),
        latents,
        nextLatents: latents,
        logProb: fc.double({ noNaN: true }),
        reward: fc.double({ noNaN: true }),
        policyVersion: fc.nat(),
      },
      { requiredKeys: ['prompt', 'step', 'latents', 'nextLatents', 'logProb', 'reward', 'policyVersion'] },
    ),
    { maxLength: 6 },
  );

  it('should come back bit for bit', () => {
    fc.assert(
      fc.property(transitions, (buffer) => {
        const bytes = encodeReplayBuffer(buffer);
        const decoded = decodeReplayBuffer(bytes, 'replay.safetensors');
        // toEqual compares by Object.is: -0 is not 0.
        expect(decoded).toEqual(buffer);
        expect(encodeReplayBuffer(decoded)).toEqual(bytes);
      }),
    );
  });

  it('should store once what a step ends with and the next begins with', () => {
    const path = Float32Array.of(0, 1, 2, 3, 4, 5, -0, 0);
    const at = (index: number) => path.subarray(2 * index, 2 * index + 2);
    const trajectory = [0, 1, 2].map((step) =>
      transition(step, { step, latents: at(step), nextLatents: at(step + 1) }),
    );
    const bytes = encodeReplayBuffer([...trajectory, transition(9, { latents: Float32Array.of(0, 0) })]);
    const { tensors } = decodeSafetensors(bytes, 'replay.safetensors');
    expect(tensors.get('latents')?.shape).toEqual([6, 2]);
    expect([...(tensors.get('before')?.data ?? [])]).toEqual([0n, 1n, 2n, 4n]);
    expect([...(tensors.get('after')?.data ?? [])]).toEqual([1n, 2n, 3n, 5n]);
    const decoded = decodeReplayBuffer(bytes, 'replay.safetensors');
    expect(decoded[2]?.nextLatents).toEqual(Float32Array.of(-0, 0));
    expect(decoded[3]?.latents).toEqual(Float32Array.of(0, 0));
  });

  it('should be refused when it is cut short', async () => {
    const cut = encodeReplayBuffer(numbered(2)).subarray(0, -1);
    expect((await faultOf(() => decodeReplayBuffer(cut, 'replay.safetensors')))[0]).toBe('TRIB_FILE');
  });

  const { tensors, metadata } = decodeSafetensors(encodeReplayBuffer(numbered(2)), 'replay.safetensors');
  const I64 = (...data: bigint[]) => ({
    dtype: 'I64' as const,
    shape: [data.length],
    data: BigInt64Array.from(data),
  });
  it.each([
    ['after', I64(1n), 'replay.safetensors after: expected I64 [2], got I64 [1]'],
    ['after', I64(1n, 4n), 'replay.safetensors after: expected numbers in 0..3, got 4'],
    ['before', I64(0n, -1n), 'replay.safetensors before: expected numbers in 0..3, got -1'],
    ['prompt', I64(0n, 1n), 'replay.safetensors prompt: expected numbers in 0..0, got 1'],
    ['latents', I64(0n, 1n), 'replay.safetensors: expected F32 latents of two axes, got I64 [2]'],
  ])('should be refused with another column %s', async (name, tensor, message) => {
    const bytes = encodeSafetensors({ tensors: new Map([...tensors, [name, tensor]]), metadata });
    expect(await faultOf(() => decodeReplayBuffer(bytes, 'replay.safetensors'))).toEqual([
      'TRIB_CHECKPOINT',
      `${message}. Resume with the config that wrote the checkpoint, or start a new run directory.`,
    ]);
  });

  it.each([[{}], [{ prompts: '[1]' }]])('should be refused with the metadata %j', async (other) => {
    const bytes = encodeSafetensors({ tensors, metadata: other });
    const [code, message] = await faultOf(() => decodeReplayBuffer(bytes, 'replay.safetensors'));
    expect(code).toBe('TRIB_CHECKPOINT');
    expect(message).toContain('replay.safetensors prompts: expected a list of texts in JSON, got ');
  });
});
