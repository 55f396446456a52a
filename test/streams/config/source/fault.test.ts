import { describe, expect, it } from 'vitest';
import { nearestName } from '../../../../src/streams/config/source/fault.js';

describe('nearestName', () => {
  it('should find the name that was probably meant', () => {
    expect(nearestName('clipRnage', ['advClipMax', 'clipRange'])).toBe('clipRange');
  });

  it('should keep silent where nothing is close', () => {
    expect(nearestName('color', ['advClipMax', 'clipRange'])).toBeUndefined();
    expect(nearestName('color', [])).toBeUndefined();
  });
});
