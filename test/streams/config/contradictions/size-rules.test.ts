import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../../src/streams/config/lint-topology.js';
import { SMALLEST } from '../valid-config.js';

/** What lint says of the smallest config with sizes of pictures. */
const faultsOf = (buckets: string, ...others: string[]) => {
  const overrides = [`stages.sampler.buckets=${buckets}`, ...others];
  return lintTopology(SMALLEST, 'a.yaml', { overrides }).faults.map(({ message }) => message);
};
const ONE = '[{width: 64, height: 96}]';
const UNVERIFIED = 'evaluation.verifier=none';

describe('SIZE_RULES', () => {
  it.each([
    [
      'a width beside them',
      ONE,
      ['stages.sampler.width=64'],
      'stages.sampler.width: expected no width beside',
    ],
    [
      'one size twice',
      '[{width: 64, height: 96}, {width: 96, height: 64}, {width: 64, height: 96}]',
      [],
      'stages.sampler.buckets[2]: expected sizes that differ, got 64x96 again.',
    ],
    [
      'none that can be drawn',
      '[{width: 8, height: 8, weight: 0}]',
      [],
      'buckets: expected a weight above 0',
    ],
    [
      'a value network',
      ONE,
      ['stages.trainer.value={type: network}'],
      'stages.trainer.value.type: expected none beside buckets',
    ],
    ['a verifier', ONE, ['evaluation.verifier=shapes'], 'evaluation.verifier: expected none beside buckets'],
    ['no size', '[]', [], 'stages.sampler.buckets: expected a list of 1 to 64 sizes'],
  ])('should report %s', (_, buckets, others, message) => {
    expect(faultsOf(buckets, UNVERIFIED, ...others)).toEqual([expect.stringContaining(message)]);
  });

  it('should say nothing of sizes that fit', () => {
    expect(faultsOf('[{width: 64, height: 96}, {width: 96, height: 64, weight: 0.5}]', UNVERIFIED)).toEqual(
      [],
    );
  });
});
