import { describe, expect, it } from 'vitest';
import { allocatorAdvice, findAllocator } from '../../../src/cli/doctor/allocator.js';

const isGlibc = findAllocator({}).glibc !== null;

describe('allocator', () => {
  it.runIf(isGlibc)(
    'should advise where glibc keeps freed weights, and be silent where a variable is set',
    () => {
      expect(allocatorAdvice(findAllocator({}))[0]).toContain('Set MALLOC_TRIM_THRESHOLD_=131072');
      for (const name of ['MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_'])
        expect(allocatorAdvice(findAllocator({ [name]: '131072' }))).toEqual([]);
    },
  );

  it('should say nothing of another library', () => {
    expect(allocatorAdvice({ glibc: null, returnsWeights: true })).toEqual([]);
  });
});
