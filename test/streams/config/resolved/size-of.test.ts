import { describe, expect, it } from 'vitest';
import { sizeName } from '../../../../src/models/rollouts/sized-sampler.js';
import type { PromptMetadata } from '../../../../src/prompt-metadata.js';
import { promptSizeFault, sizeOf, sizeOfGroup } from '../../../../src/streams/config/resolved/size-of.js';
import { configOf } from '../config-of.js';

const sized = (...others: string[]) =>
  configOf(`stages.sampler.buckets=${TWO}`, 'evaluation.verifier=none', ...others);
const TWO = '[{width: 64, height: 96, weight: 3}, {width: 96, height: 64}, {width: 8, height: 8, weight: 0}]';

describe('sizeOfGroup', () => {
  const config = sized();
  const nameOf = (groupIndex: number, metadata: PromptMetadata = {}, of = config) => {
    const { size } = sizeOfGroup(of, { groupIndex, metadata });
    return size && sizeName(size);
  };

  it('should draw sizes in proportion to their weights, by seed and index alone', () => {
    const draws = 4000;
    const names = Array.from({ length: draws }, (_, index) => nameOf(index));
    const count = (name: string) => names.filter((one) => one === name).length;
    // Binomial(4000, 3/4): standard deviation 27; five of them.
    expect(Math.abs(count('64x96') - 0.75 * draws)).toBeLessThan(137);
    expect(count('64x96') + count('96x64')).toBe(draws);
    expect(nameOf(123)).toBe(names[123]);
    const reseeded = sized('seed=8');
    expect(names.slice(0, 50)).not.toEqual(names.slice(0, 50).map((_, index) => nameOf(index, {}, reseeded)));
  });

  it('should take the size that a prompt asks for, as numbers or as text', () => {
    expect([0, 1, 2, 3].map((index) => nameOf(index, { width: 8, height: '8' }))).toEqual(
      Array(4).fill('8x8'),
    );
  });

  it('should say nothing where all pictures have one size', () => {
    expect(sizeOfGroup(configOf(), { groupIndex: 0 })).toEqual({});
  });
});

describe('sizeOf', () => {
  it('should be the first bucket', () => {
    expect(sizeOf(sized())).toMatchObject({ width: 64, height: 96 });
  });
});

describe('promptSizeFault', () => {
  const listed = 'stages.sampler.buckets, 64x96, 96x64, 8x8, got';
  it.each([
    [{}, null],
    [{ width: '', height: '' }, null],
    [{ width: '96', height: '64' }, null],
    [{ width: 96 }, `${listed} width 96 and height none`],
    [{ width: 'wide', height: 64 }, `${listed} width "wide" and height 64`],
    [{ width: 64, height: 64 }, `${listed} width 64 and height 64`],
  ])('should check %j', (metadata: PromptMetadata, fault) => {
    const got = promptSizeFault(sized())({ metadata });
    expect(got).toEqual(fault === null ? null : expect.stringContaining(fault));
  });

  it('should refuse a size where the config has one', () => {
    const faultOf = promptSizeFault(configOf());
    expect(faultOf({ metadata: { width: 8, height: 8 } })).toContain('stages.sampler.buckets lists no sizes');
    expect(faultOf({})).toBeNull();
  });
});
