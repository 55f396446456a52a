import { describe, expect, it } from 'vitest';
import { bertScoreRecall } from '../../../../src/models/rewards/encoders/token-embeddings.js';

/** Unit vectors of the plane, by their angle in degrees. */
const sentence = (...degrees: number[]) =>
  degrees.map((angle) =>
    Float32Array.of(Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)),
  );

describe('bertScoreRecall', () => {
  it('should be the mean over the words of the reference of the best cosine in the candidate', () => {
    const candidate = sentence(200, 10, 100, 210);
    // 0: nearest 10; 90: nearest 100; 190: nearest the begin, at 200.
    const found = bertScoreRecall(sentence(0, 0, 90, 190, 0), candidate);
    expect(found).toBeCloseTo(Math.cos((10 * Math.PI) / 180), 6);
  });

  it('should not count the begin and the end of the reference', () => {
    expect(bertScoreRecall(sentence(180, 0, 180), sentence(0, 0, 0))).toBeCloseTo(1, 6);
  });

  it('should be 0 of nothing', () => {
    expect(bertScoreRecall(sentence(0, 0), sentence(0, 10, 0))).toBe(0);
  });

  it('should be 0 of silence, though begin and end are like a word', () => {
    expect(bertScoreRecall(sentence(0, 10, 0), sentence(10, 10))).toBe(0);
  });
});
