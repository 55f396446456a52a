/** @file What modules of one's own answer while a run goes on. */

import { describe, expect, it } from 'vitest';
import type { Evaluation, Topology } from '../../src/library/index.js';
import { GraphBuilder } from '../../src/models/graph/ops/builder.js';
import { createSurrogate } from '../../src/models/objectives/index.js';
import type { StepSurrogate } from '../../src/models/objectives/surrogate.js';
import { createAdvantageRule, createHistory, type RewardedGroup } from '../../src/operators/index.js';
import { type OwnKind, rememberOwnEntry } from '../../src/own-entries.js';
import { sharedConfig } from '../../src/streams/config/resolved/shared-config.js';
import { watchGuards } from '../../src/streams/run/watch-guards.js';

/** Settings of a module that is loaded. */
function loadedOwn(kind: OwnKind, made: unknown) {
  const module = `${kind}.js`;
  rememberOwnEntry(module, { entry: { kind, fields: {}, create: () => made }, sha256: 'of the file' });
  return { module, options: {} };
}

const interval = { round: 0, firstStep: 0, numSteps: 1, trainedSteps: [0] };
const group = (index: number, rewards: readonly number[]): RewardedGroup<string> => ({
  groupId: `0-${index}`,
  groupIndex: index,
  round: 0,
  prompt: `prompt ${index}`,
  interval,
  tree: { firstStep: 0, widths: [rewards.length, rewards.length] },
  policyVersion: 0,
  branches: rewards.map((_, branch) => `${index}${branch}`),
  rewards,
});

describe('an advantage rule of a module', () => {
  const ruleOf = (made: object) =>
    createAdvantageRule({ rule: 'module', ...loadedOwn('advantage rule', made) });
  const groups = [group(0, [1, 3]), group(1, [2, 2, 5])];

  it('should select the branches that have an advantage, and remember the rounds that it asks for', () => {
    const histories: unknown[] = [];
    const rule = ruleOf({
      historyRounds: 1,
      advantages: (judged: readonly { rewards: readonly number[] }[], history: unknown) => {
        histories.push(history);
        return judged.map(({ rewards }) => rewards.map((reward) => (reward === 2 ? null : reward - 2)));
      },
    });
    const first = rule(createHistory(), groups);
    expect(first.samples.map(({ trajectory, advantage }) => [trajectory, advantage])).toEqual([
      ['00', -1],
      ['01', 1],
      ['12', 3],
    ]);
    expect(first.statistics).toMatchObject({ selectedBest: 2, selectedWorst: 1, zeroSpreadGroups: 0 });
    const second = rule(rule(first.state, groups).state, groups);
    const round = groups.map(({ prompt, rewards }) => ({ prompt, rewards }));
    expect(histories).toEqual([[], [round], [round]]);
    expect(second.state).toEqual({ rounds: [round] });
  });

  it.each([
    [
      'for too few groups',
      () => [[1, 2]],
      /expected a list of advantages for each of 2 groups, got lists for 1/,
    ],
    [
      'for too few branches',
      () => [[1], [1, 2, 3]],
      /expected 2 advantages for group 0-0, one a branch, got 1/,
    ],
    [
      'that is NaN',
      () => [
        [1, Number.NaN],
        [1, 2, 3],
      ],
      /expected a finite number or null for branch 1 of group 0-0, got NaN/,
    ],
    [
      'that throws',
      () => {
        throw new Error('no idea');
      },
      /expected advantages to return, got "Error: no idea"/,
    ],
  ])('should name itself in the error of an answer %s', (_, advantages, message) => {
    expect(() => ruleOf({ advantages })(createHistory(), groups)).toThrow(
      expect.objectContaining({ code: 'TRIB_CONFIG', message: expect.stringMatching(message) }),
    );
  });
});

describe('a surrogate of a module', () => {
  const lossOf = (loss: unknown) => {
    const g = new GraphBuilder();
    const column = (name: string) => g.input(name, 'float32', [4]);
    const values = { advantage: column('advantage'), oldLogProb: column('oldLogProb') };
    const surrogate = createSurrogate({
      type: 'module',
      ...loadedOwn('surrogate', { trainsOn: 'steps', loss }),
    }) as StepSurrogate;
    return { surrogate, losses: () => surrogate.loss(values as never) };
  };

  it('should compare with no other policy and clip nothing unless it says so', () => {
    const { surrogate, losses } = lossOf(({ advantage }: { advantage: { neg(): unknown } }) =>
      advantage.neg(),
    );
    expect(surrogate).toMatchObject({ references: [], clipRange: null });
    expect(losses().shape).toEqual([4]);
  });

  it.each([
    [
      'one number for all rows',
      ({ advantage }: never) => (advantage as { meanAll(): unknown }).meanAll(),
      /expected loss to return one number a row, float32 \[4\], got float32 \[\]/,
    ],
    ['a number', () => 1, /expected loss to return an expression of its arguments, got 1/],
    [
      'nothing, as it throws',
      () => {
        throw new Error('no idea');
      },
      /expected loss to return, got "Error: no idea"/,
    ],
  ])('should name itself where its loss is %s', (_, loss, message) => {
    expect(lossOf(loss).losses).toThrow(
      expect.objectContaining({ code: 'TRIB_CONFIG', message: expect.stringMatching(message) }),
    );
  });
});

describe('a guard of a module', () => {
  const guarded = (measure: () => unknown) => {
    const own = {
      ...loadedOwn('guard', { threshold: 1, quantity: 'of it', nextStep: 'Stop', start: () => measure }),
    };
    const off = { threshold: 0, action: 'off' } as const;
    const settings = {
      ...{ rewardCollapse: off, ratioDrift: off, klToPretrained: off },
      ...{ zeroSpreadGroups: off, diversityLoss: off, rewardVerifierDivergence: off },
      ...{ goldFall: off, pictureDrift: off },
      own: { mine: { ...own, threshold: 2 } },
    };
    const evaluation = { train: {}, heldOut: {}, round: 1 } as unknown as Evaluation;
    const watch = watchGuards(settings, evaluation, []);
    return () => watch.watch({ kind: 'evaluation', ...evaluation });
  };

  it('should raise alarms at the threshold of the config, in its own words', () => {
    expect(guarded(() => 2)()).toEqual([]);
    expect(guarded(() => null)()).toEqual([]);
    expect(guarded(() => 2.5)()).toMatchObject([
      {
        guard: 'mine',
        action: 'warn',
        message: 'guard mine after 1 round: expected at most 2 of it, got 2.5. Stop.',
      },
    ]);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('no idea');
      },
      /^guard mine \(guard.js\): expected its measure to return, got "Error: no idea"/,
    ],
    ['gives text', () => 'much', /expected a number or null for this evaluation, got "much"/],
    ['gives NaN', () => Number.NaN, /got "NaN"/],
  ])('should name itself where it %s', (_, measure, message) => {
    expect(guarded(measure)).toThrow(expect.objectContaining({ message: expect.stringMatching(message) }));
  });
});

it('should let the processes of a run have a module elsewhere, but no other module', () => {
  const config = (module: string, sha256: string) =>
    ({
      seed: 1,
      model: {},
      stages: { advantages: { type: 'advantages', rule: 'module', module, options: {}, sha256 } },
    }) as unknown as Topology;
  expect(sharedConfig(config('a/rule.js', 'one'))).toBe(sharedConfig(config('b/rule.js', 'one')));
  expect(sharedConfig(config('a/rule.js', 'one'))).not.toBe(sharedConfig(config('a/rule.js', 'two')));
});
