import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { splitUpdates } from '../../../src/models/policy/split-updates.js';

/** Made by tools/reference/accumulated_gradients.py. */
const FIXTURE = 'test/fixtures/accumulated-gradients.json';

interface Accumulated {
  readonly samples: number;
  readonly samplesPerUpdate: number;
  readonly innerEpochs: number;
  /** Samples in the order of every epoch. */
  readonly orders: readonly (readonly number[])[];
  /** Weight of every sample in every optimizer step. */
  readonly updates: readonly (readonly number[])[];
}
const CASES: readonly Accumulated[] = JSON.parse(readFileSync(FIXTURE, 'utf8'));

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

/** Epoch e runs through the items from item e on. */
const rotated = (epoch: number) => ({
  shuffle: <Item>(items: readonly Item[]) => [...items.slice(epoch), ...items.slice(0, epoch)],
});
const split = (count: number, size: number, settings: Parameters<typeof splitUpdates>[2]) =>
  [...splitUpdates(numbers(count), size, settings, rotated)].map(({ items }) => items);

describe('splitUpdates', () => {
  it.each(CASES)(
    'should carry what accelerate carries: $samples samples, $samplesPerUpdate a step, $innerEpochs epochs',
    ({ samples, samplesPerUpdate, innerEpochs, orders, updates }) => {
      const recorded = (epoch: number) => ({
        shuffle: <Item>(items: readonly Item[]) =>
          (orders[epoch] ?? []).map((index) => items[index]).filter((item) => item !== undefined),
      });
      const settings = { innerEpochs, remainder: 'carry' } as const;
      const made = [...splitUpdates(numbers(samples), samplesPerUpdate, settings, recorded)];
      const weights = made.map(({ items }) =>
        numbers(samples).map((one) => items.filter((item) => item === one).length / items.length),
      );
      expect(weights).toHaveLength(updates.length);
      for (const [update, expected] of updates.entries())
        for (const [one, weight] of expected.entries())
          expect(weights[update]?.[one], `update ${update}, sample ${one}`).toBeCloseTo(weight, 11);
    },
  );

  it('should say what becomes of the rest of an epoch', () => {
    expect(split(5, 2, { innerEpochs: 2, remainder: 'train' })).toEqual([
      [0, 1],
      [2, 3],
      [4],
      [1, 2],
      [3, 4],
      [0],
    ]);
    expect(split(5, 2, { innerEpochs: 2, remainder: 'drop' })).toEqual([
      [0, 1],
      [2, 3],
      [1, 2],
      [3, 4],
    ]);
    expect(split(5, 2, { innerEpochs: 2, remainder: 'carry' })).toEqual([
      [0, 1],
      [2, 3],
      [4, 1],
      [2, 3],
      [4, 0],
    ]);
  });

  it.each([
    [5, 7, 3],
    [5, 11, 2],
    [64, 64, 2],
    [230, 128, 2],
    [3, 10, 4],
  ])(
    'should make floor(E N / u) updates where the rest is carried: N %i, u %i, E %i',
    (count, size, innerEpochs) => {
      const made = split(count, size, { innerEpochs, remainder: 'carry' });
      expect(made.map(({ length }) => length)).toEqual(
        new Array(Math.floor((innerEpochs * count) / size)).fill(size),
      );
    },
  );

  it('should number updates within the epoch that they end in', () => {
    const places = [...splitUpdates(numbers(5), 3, { innerEpochs: 3, remainder: 'carry' }, rotated)].map(
      ({ epoch, update }) => [epoch, update],
    );
    expect(places).toEqual([
      [0, 0],
      [1, 0],
      [1, 1],
      [2, 0],
      [2, 1],
    ]);
  });

  it('should carry nothing after the last epoch, and make nothing of no items', () => {
    for (const innerEpochs of [1, 2])
      expect(split(5, 5 * innerEpochs + 1, { innerEpochs, remainder: 'carry' })).toEqual([]);
    for (const remainder of ['train', 'carry', 'drop'] as const)
      expect(split(0, 2, { innerEpochs: 2, remainder })).toEqual([]);
  });
});
