import { describe, expect, test } from 'vitest';
import { describeProgress } from '../../../src/cli/output/progress.js';
import type { RunEvent } from '../../../src/streams/messages/run-events.js';
import { evaluation, roundMetrics } from '../../streams/example-metrics.js';

const sampled = (round: number, groupsSampled: number): RunEvent => ({
  kind: 'progress',
  round,
  numRounds: 4,
  trainedSteps: [3, 4, 5, 6, 7, 8, 9],
  groupsSampled,
  groupsPerRound: 8,
});
const trained = (round: number): RunEvent => ({
  kind: 'round',
  metrics: roundMetrics(round, { rewardMean: 0.4, verifiedAlignment: 0.438 }),
});

function described() {
  const clock = { seconds: 100 };
  const progress = describeProgress(() => clock.seconds);
  const describe = (event: RunEvent) => {
    const shown = progress(event);
    return shown && `${shown.bar} ${shown.text} · ${shown.doing}`;
  };
  return { clock, describe };
}

describe('describeProgress', () => {
  test('should say nothing before the first round', () => {
    const { describe: line } = described();
    expect(line({ kind: 'started', description: [] })).toBeNull();
    expect(line({ kind: 'evaluation', evaluation: evaluation(0) })).toBeNull();
  });

  test('should show the base model until there is a round, and no time left', () => {
    const { describe: line } = described();
    line({ kind: 'evaluation', evaluation: evaluation(0) });
    expect(line(sampled(0, 4))).toBe(
      '▊░░░░░░░░░░░░░░░░░ round 1/4 · steps 3–9 · reward 0.300 · verified 40.0 % · sampling 4/8',
    );
    expect(line(sampled(0, 8))).toMatch(/verified 40.0 % · training$/);
  });

  test('should measure the time left in whole rounds', () => {
    const { clock, describe: line } = described();
    line({ kind: 'evaluation', evaluation: evaluation(0) });
    clock.seconds += 2;
    line(sampled(0, 8));
    clock.seconds += 8;
    expect(line(trained(0))).toBe(
      '████▌░░░░░░░░░░░░░ round 1/4 · steps 3–9 · reward 0.400 · verified 43.8 % · 30 s left · saving',
    );
    clock.seconds += 3;
    expect(line(sampled(1, 2))).toContain('27 s left · sampling 2/8');
    clock.seconds += 60;
    expect(line(sampled(1, 8))).toContain('0 s left');
  });

  test('should measure a resumed run by the rounds since it was resumed', () => {
    const { clock, describe: line } = described();
    clock.seconds += 2;
    line(sampled(2, 8));
    clock.seconds += 8;
    expect(line(trained(2))).toContain('10 s left');
  });

  test('should not go back while a round is saved', () => {
    const { describe: line } = described();
    line(sampled(0, 8));
    const after = line(trained(0));
    expect(line({ kind: 'checkpoint', path: 'x' })).toBe(after);
  });

  test('should do without a verifier', () => {
    const { describe: line } = described();
    line(sampled(0, 8));
    expect(
      line({ kind: 'round', metrics: roundMetrics(0, { rewardMean: null, verifiedAlignment: null }) }),
    ).toMatch(/steps 3–9 · 0 s left · saving$/);
  });
});
