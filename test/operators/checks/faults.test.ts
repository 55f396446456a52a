import { NEVER, of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { discardStale } from '../../../src/operators/discard-stale.js';
import { gradientSteps } from '../../../src/operators/gradient-steps.js';
import { group } from '../groups.js';

describe('overflowError', () => {
  const messageOf = (error: unknown) => (error instanceof Error ? error.message : '');

  it('should name the buffer, its bound and the option that raises it', () => {
    let text = '';
    of({ round: 0 }, { round: 1 }, { round: 2 })
      .pipe(gradientSteps({ train: () => NEVER, maxQueued: 1 }))
      .subscribe({ error: (error: unknown) => (text = messageOf(error)) });
    expect(text).toBe(
      'gradientSteps queue: expected at most 1 at work and 1 waiting, got one more. Raise `maxQueued` or lower `runAhead`.',
    );
  });

  it('should name maxHeld where that is the bound', () => {
    const options = { maxStaleness: 0, maxHeld: 1, onLost: () => {} };
    let text = '';
    of(group(0, 0), group(0, 1))
      .pipe(discardStale({ ...options, policyVersion$: NEVER, interval$: NEVER }))
      .subscribe({ error: (error: unknown) => (text = messageOf(error)) });
    expect(text).toContain('Raise `maxHeld`');
  });
});
