import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import type { WatchedFigures } from '../../../src/streams/guards/guard-spec.js';
import type { GuardChange } from '../../../src/streams/messages/control-state.js';
import { watchGuards } from '../../../src/streams/run/watch-guards.js';
import { SMALLEST } from '../config/valid-config.js';
import { evaluation, roundMetrics } from '../example-metrics.js';

function settings(...overrides: string[]) {
  const { config, faults } = lintTopology(SMALLEST, 'tiny.yaml', { overrides });
  if (!config) throw new Error(faults.map(({ message }) => message).join('\n'));
  return config.guards;
}

const start = (overrides: string[], logged: readonly WatchedFigures[] = []) =>
  watchGuards(settings(...overrides), evaluation(0), logged);
const drift = (round: number, meanRatioDeviation: number): WatchedFigures => ({
  kind: 'round',
  ...roundMetrics(round, { meanRatioDeviation }),
});
const LOWER = ['guards.ratioDrift={threshold: 0.1, action: lower-learning-rate}'];
const STOP = ['guards.diversityLoss={threshold: 0.5, action: stop}'];

describe('watchGuards', () => {
  it('should put an alarm into words: where, expected, got, next step, consequence', () => {
    const guards = start(LOWER);
    expect(guards.watch(drift(0, 0.1))).toEqual([]);
    expect(guards.watch(drift(1, 0.123456))).toEqual([
      {
        guard: 'ratioDrift',
        action: 'lower-learning-rate',
        value: 0.123456,
        threshold: 0.1,
        round: 2,
        message:
          'guard ratioDrift after 2 rounds: expected at most 0.1 for the mean of |ratio - 1|, got 0.123. Lower learningRate or innerEpochs, or sample more often. From here on the learning rate is half of what it was.',
      },
    ]);
  });

  it('should halve the learning rate once a crossing', () => {
    const guards = start(LOWER);
    const scales = [0.2, 0.3, 0.05, 0.2].map((deviation, round) => {
      guards.watch(drift(round, deviation));
      return guards.learningRateScale();
    });
    expect(scales).toEqual([0.5, 0.5, 0.5, 0.25]);
  });

  it('should ask to stop, and keep the first reason', () => {
    const guards = start([...STOP, 'guards.ratioDrift.action=stop']);
    guards.watch(drift(0, 0.01));
    expect([guards.stopping.aborted, guards.stoppedBy()]).toEqual([false, null]);
    const [alarm] = guards.watch({ kind: 'evaluation', ...evaluation(1, { train: { diversity: 0.2 } }) });
    guards.watch(drift(1, 9));
    // 1 - 0.2 / 0.5 of the base model.
    expect(alarm).toMatchObject({ guard: 'diversityLoss', round: 1, value: expect.closeTo(0.6, 9) });
    expect(alarm?.message).toMatch(/after 1 round: .* The run ends here with its best policy\.$/);
    expect([guards.stopping.aborted, guards.stoppedBy()]).toEqual([true, alarm]);
    expect(guards.learningRateScale()).toBe(1);
  });

  it('should warn by default, and be silent where it is off', () => {
    expect(
      start([])
        .watch(drift(0, 9))
        .map(({ action }) => action),
    ).toEqual(['warn']);
    expect(start(['guards.ratioDrift.action=off']).watch(drift(0, 9))).toEqual([]);
  });

  it('should go on from the log as if nothing had happened', () => {
    const figures = [0.2, 0.05, 0.3, 0.4, 0.02, 0.2].map((deviation, round) => drift(round, deviation));
    const whole = start(LOWER);
    const alarms = figures.map((one) => whole.watch(one));
    for (let resumedAt = 0; resumedAt <= figures.length; resumedAt++) {
      const resumed = start(LOWER, figures.slice(0, resumedAt));
      expect(figures.slice(resumedAt).map((one) => resumed.watch(one))).toEqual(alarms.slice(resumedAt));
      expect(resumed.learningRateScale()).toBe(0.125);
    }
  });

  it('should know after a resume what the gold reward was at its best', () => {
    const measured = (round: number, rewardMean: number, mean: number): WatchedFigures => ({
      kind: 'evaluation',
      ...evaluation(round, { heldOut: { rewardMean, gold: { taste: { mean, std: 1 } } } }),
    });
    const [base, ...figures] = [measured(0, 1, 4), measured(1, 2, 6), measured(2, 3, 5), measured(3, 4, 5.9)];
    if (base?.kind !== 'evaluation') throw new Error('expected an evaluation');
    const begin = (logged: readonly WatchedFigures[]) =>
      watchGuards(settings('guards.goldFall={ threshold: 0.5, action: lower-learning-rate }'), base, logged);
    const whole = begin([]);
    const alarms = figures.map((one) => whole.watch(one));
    expect(alarms.map(([alarm]) => alarm?.value)).toEqual([undefined, 1, undefined]);
    for (let resumedAt = 0; resumedAt <= figures.length; resumedAt++) {
      const resumed = begin([base, ...figures.slice(0, resumedAt)]);
      expect(figures.slice(resumedAt).map((one) => resumed.watch(one))).toEqual(alarms.slice(resumedAt));
      expect(resumed.learningRateScale()).toBe(0.5);
    }
  });

  describe('that an operator has changed', () => {
    const changed = (round: number, value: number, ratioDrift: GuardChange): WatchedFigures => ({
      kind: 'round',
      ...roundMetrics(round, {
        meanRatioDeviation: value,
        control: { version: 1, guards: { ratioDrift } },
      }),
    });
    const OFF = ['guards.ratioDrift.action=off'];
    const figures = [
      changed(0, 0.3, { threshold: 0.5 }),
      drift(1, 0.3),
      changed(2, 0.3, { action: 'off' }),
      changed(3, 0.3, { threshold: 0.2 }),
    ];

    it('should judge each round by what was in force in it', () => {
      const guards = start(LOWER);
      expect(figures.map((one) => guards.watch(one).map(({ threshold }) => threshold))).toEqual([
        [],
        [0.1],
        [],
        [0.2],
      ]);
      expect(guards.learningRateScale()).toBe(0.25);
    });

    it('should judge an evaluation as the round before it', () => {
      const guards = start(STOP);
      const lost: WatchedFigures = { kind: 'evaluation', ...evaluation(1, { train: { diversity: 0.2 } }) };
      guards.watch({
        kind: 'round',
        ...roundMetrics(0, { control: { version: 1, guards: { diversityLoss: { action: 'warn' } } } }),
      });
      expect(guards.watch(lost)).toMatchObject([{ action: 'warn' }]);
      expect(guards.stopping.aborted).toBe(false);
    });

    it('should watch one that the config turns off', () => {
      const guards = start([...OFF, 'guards.ratioDrift.threshold=0.1']);
      expect(guards.watch(drift(0, 9))).toEqual([]);
      expect(guards.watch(changed(1, 9, { action: 'warn' }))).toMatchObject([
        { threshold: 0.1, action: 'warn' },
      ]);
    });

    it('should go on from the log under what was in force then', () => {
      const whole = start(LOWER);
      const alarms = figures.map((one) => whole.watch(one));
      for (let resumedAt = 0; resumedAt <= figures.length; resumedAt++) {
        const resumed = start(LOWER, figures.slice(0, resumedAt));
        expect(figures.slice(resumedAt).map((one) => resumed.watch(one))).toEqual(alarms.slice(resumedAt));
        expect(resumed.learningRateScale()).toBe(0.25);
      }
    });
  });

  it('should leave a run stopped that a guard stopped before', () => {
    const { stopping, stoppedBy } = start(STOP, [
      { kind: 'evaluation', ...evaluation(2, { train: { diversity: 0 } }) },
      drift(2, 0.01),
    ]);
    expect([stopping.aborted, stoppedBy()?.guard]).toEqual([true, 'diversityLoss']);
  });
});
