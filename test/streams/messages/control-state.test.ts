import { describe, expect, it } from 'vitest';
import { controlDifference, UNCONTROLLED } from '../../../src/streams/messages/control-state.js';
import { listed } from '../../fixtures/listed-prompts.js';

describe('controlDifference', () => {
  it('should be nothing where nothing differs, whatever the version', () => {
    expect(controlDifference(UNCONTROLLED)).toBeNull();
    expect(controlDifference({ ...UNCONTROLLED, version: 7 })).toBeNull();
  });

  it('should hold what differs and no more', () => {
    const frozen = { shift: 0, frozenAt: 0 };
    expect(controlDifference({ ...UNCONTROLLED, version: 1, schedule: frozen })).toEqual({
      version: 1,
      schedule: frozen,
    });
    const guards = { ratioDrift: { threshold: 1 } };
    expect(
      controlDifference({
        ...UNCONTROLLED,
        version: 2,
        learningRateScale: 2,
        guards,
        prompts: listed('a', 'b'),
      }),
    ).toEqual({ version: 2, learningRateScale: 2, guards, prompts: 2 });
  });
});
