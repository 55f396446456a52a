import { describe, expect, it } from 'vitest';
import { requireReference } from '../../../src/models/objectives/reference-policies.js';
import { faultOf } from '../../fixtures/fault-of.js';

describe('requireReference', () => {
  it('should return what the policy says', () => {
    expect(requireReference({ old: 1, pretrained: 2 }, 'pretrained', 'dpok')).toBe(2);
  });

  it('should name the surrogate and the policy that was left out', async () => {
    const run = () => requireReference({ old: 1 }, 'pretrained', 'dpok');
    expect(await faultOf(run)).toEqual([
      'TRIB_INTERNAL',
      'surrogate "dpok": expected the values of the policy `pretrained`, got none. Compute the policies that its `references` name.',
    ]);
  });
});
