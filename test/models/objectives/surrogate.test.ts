import { describe, expect, it } from 'vitest';
import { referenceOf } from '../../../src/models/objectives/surrogate.js';
import { faultOf } from '../../fixtures/fault-of.js';

describe('referenceOf', () => {
  it('should return what the policy says', () => {
    expect(referenceOf({ old: 1, pretrained: 2 }, 'pretrained')).toBe(2);
  });

  it('should name the policy that was left out', async () => {
    expect(await faultOf(() => referenceOf({ old: 1 }, 'pretrained'))).toEqual([
      'TRIB_INTERNAL',
      'policy "pretrained": expected its values for the surrogate, got none. Compute the policies that its `references` name.',
    ]);
  });
});
