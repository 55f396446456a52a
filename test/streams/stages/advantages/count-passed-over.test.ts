import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../../../src/streams/messages/run-events.js';
import { countPassedOver } from '../../../../src/streams/stages/advantages/count-passed-over.js';

describe('countPassedOver', () => {
  it('should say of each stage what came in vain since the one before, and nothing where nothing did', () => {
    const said: RunEvent[] = [];
    const passedOver = countPassedOver((event) => said.push(event));
    passedOver.tell(0);
    passedOver.repeated();
    passedOver.repeated();
    passedOver.late();
    passedOver.tell(1);
    passedOver.tell(2);
    passedOver.late();
    passedOver.tell(3);
    expect(said).toEqual([
      { kind: 'passed-over', round: 1, repeated: 2, late: 1 },
      { kind: 'passed-over', round: 3, repeated: 0, late: 1 },
    ]);
  });
});
