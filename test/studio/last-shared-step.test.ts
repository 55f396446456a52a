import { describe, expect, it } from 'vitest';
import { lastSharedStep } from '../../src/studio/state/last-shared-step.js';

const treeOf = (forkStep: number, guesses: readonly (readonly [step: number, node: number])[]) => ({
  ...{ firstStep: 0, numSteps: 6, forkStep, trainedSteps: [0] },
  guesses: guesses.map(([step, node]) => ({ step, node })),
});

describe('lastSharedStep', () => {
  it('should be the step at the fork, whose guess is one for all', () => {
    expect(
      lastSharedStep(
        treeOf(2, [
          [2, 0],
          [4, 0],
          [4, 1],
        ]),
      ),
    ).toBe(2);
    expect(
      lastSharedStep(
        treeOf(0, [
          [0, 0],
          [2, 0],
          [2, 1],
        ]),
      ),
    ).toBe(0);
  });

  it('should be none where each picture has its own guess from the first step', () => {
    expect(
      lastSharedStep(
        treeOf(0, [
          [0, 0],
          [0, 1],
          [2, 0],
          [2, 1],
        ]),
      ),
    ).toBe(-1);
    expect(lastSharedStep(treeOf(0, []))).toBe(-1);
  });
});
