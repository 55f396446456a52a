import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  counterRandom,
  RANDOM_PURPOSES,
  type RandomKey,
  type RandomPurpose,
} from '../../../src/models/random/counter-random.js';
import { philox4x32 } from '../../../src/models/random/philox.js';

const keys: fc.Arbitrary<Required<RandomKey>> = fc.record({
  seed: fc.maxSafeNat(),
  purpose: fc.constantFrom(...(Object.keys(RANDOM_PURPOSES) as RandomPurpose[])),
  group: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  branch: fc.integer({ min: 0, max: 65535 }),
  step: fc.integer({ min: 0, max: 65535 }),
});

describe('counterRandom', () => {
  test('should give the same numbers for the same key, whatever other streams do', () => {
    fc.assert(
      fc.property(keys, keys, fc.integer({ min: 0, max: 40 }), (key, other, count) => {
        const stream = counterRandom(key);
        const meddler = counterRandom(other);
        meddler.normal(count);
        const first = stream.normal(count);
        meddler.word();
        const second = stream.uniform();
        const again = counterRandom(key);
        expect(again.normal(count)).toEqual(first);
        expect(again.uniform()).toBe(second);
      }),
    );
  });

  test('should give different numbers for keys that differ in any one part', () => {
    fc.assert(
      fc.property(
        keys,
        keys,
        fc.constantFrom('seed', 'purpose', 'group', 'branch', 'step'),
        (key, other, part) => {
          fc.pre(key[part] !== other[part]);
          const changed = { ...key, [part]: other[part] };
          expect(counterRandom(changed).normal(8)).not.toEqual(counterRandom(key).normal(8));
        },
      ),
    );
  });

  test('should read the block that the documented counter names', () => {
    const words = new Uint32Array(4);
    philox4x32(Uint32Array.of(0, 5, 3 * 65536 + 9, 2), Uint32Array.of(123, 1), words);
    const stream = counterRandom({
      seed: 2 ** 32 + 123,
      purpose: 'step-noise',
      group: 5,
      branch: 3,
      step: 9,
    });
    expect([stream.word(), stream.word(), stream.word(), stream.word()]).toEqual([...words]);
  });

  test('should pair the words of a block by Box-Muller', () => {
    const words = counterRandom({ seed: 1, purpose: 'shuffle' });
    const radius = Math.sqrt(-2 * Math.log((words.word() + 0.5) / 2 ** 32));
    const angle = (2 * Math.PI * words.word()) / 2 ** 32;
    const [cosine, sine] = counterRandom({ seed: 1, purpose: 'shuffle' }).normal(2);
    expect(cosine).toBeCloseTo(radius * Math.cos(angle), 6);
    expect(sine).toBeCloseTo(radius * Math.sin(angle), 6);
  });

  test('should make a shorter draw the prefix of a longer one', () => {
    fc.assert(
      fc.property(keys, fc.nat(30), fc.nat(30), (key, short, more) => {
        const long = counterRandom(key).normal(short + more);
        expect(counterRandom(key).normal(short)).toEqual(long.slice(0, short));
      }),
    );
  });

  test('should draw normals with the moments of N(0, 1)', () => {
    const count = 400_000;
    const values = counterRandom({ seed: 42, purpose: 'step-noise', group: 3 }).normal(count);
    const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / count;
    // Five standard errors: sqrt(Var(x^p) / n), with Var 1, 2, 15, 96 for p = 1, 2, 3, 4.
    expect(Math.abs(moment(1))).toBeLessThan(5 * Math.sqrt(1 / count));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
    expect(Math.abs(moment(3))).toBeLessThan(5 * Math.sqrt(15 / count));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / count));
    let neighbors = 0;
    for (let i = 1; i < count; i++) neighbors += (values[i] ?? 0) * (values[i - 1] ?? 0);
    expect(Math.abs(neighbors / count)).toBeLessThan(5 * Math.sqrt(1 / count));
  });

  test('should draw uncorrelated noise for neighboring branches and steps', () => {
    const count = 100_000;
    const base = { seed: 42, purpose: 'step-noise', group: 3 } as const;
    const own = counterRandom({ ...base, branch: 0, step: 4 }).normal(count);
    for (const other of [
      { branch: 1, step: 4 },
      { branch: 0, step: 5 },
    ]) {
      const theirs = counterRandom({ ...base, ...other }).normal(count);
      const product = own.reduce((sum, value, i) => sum + value * (theirs[i] ?? 0), 0) / count;
      expect(Math.abs(product)).toBeLessThan(5 / Math.sqrt(count));
    }
  });

  test('should keep uniforms in [0, 1) and spread evenly', () => {
    const stream = counterRandom({ seed: 5, purpose: 'bootstrap' });
    const buckets = new Array<number>(10).fill(0);
    for (const value of [
      ...stream.uniforms(50_000),
      ...Array.from({ length: 50_000 }, () => stream.uniform()),
    ]) {
      expect(value >= 0 && value < 1).toBe(true);
      const bucket = Math.floor(value * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    const chiSquared = buckets.reduce((sum, seen) => sum + (seen - 10_000) ** 2 / 10_000, 0);
    expect(chiSquared).toBeLessThan(33.7); // 9 degrees of freedom, p = 1e-4
  });

  test('should draw integers below the bound, all of them', () => {
    const stream = counterRandom({ seed: 5, purpose: 'prompt-choice' });
    const seen = new Set(Array.from({ length: 500 }, () => stream.integer(7)));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  test('should shuffle into a permutation and leave the input alone', () => {
    fc.assert(
      fc.property(keys, fc.array(fc.integer()), (key, items) => {
        const before = [...items];
        const shuffled = counterRandom(key).shuffle(items);
        expect(items).toEqual(before);
        expect(shuffled.toSorted((a, b) => a - b)).toEqual(before.toSorted((a, b) => a - b));
      }),
    );
    const orders = new Set(
      Array.from({ length: 200 }, (_, seed) =>
        counterRandom({ seed, purpose: 'shuffle' }).shuffle([1, 2, 3]).join(''),
      ),
    );
    expect(orders.size).toBe(6);
  });

  test.each([
    ['seed', { seed: 1.5 }],
    ['seed', { seed: -1 }],
    ['group', { group: 2 ** 32 }],
    ['branch', { branch: 65536 }],
    ['step', { step: -1 }],
  ])('should refuse a %s out of range', (name, part) => {
    const make = () => counterRandom({ seed: 0, purpose: 'shuffle', ...part });
    expect(make).toThrow(
      expect.objectContaining({ code: 'TRIB_INTERNAL', message: expect.stringContaining(name) }),
    );
  });
});
