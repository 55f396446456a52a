import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Evaluation, Topology } from '../../src/library/index.js';
import { GraphBuilder } from '../../src/models/graph/ops/builder.js';
import { createSurrogate } from '../../src/models/objectives/index.js';
import type { StepSurrogate } from '../../src/models/objectives/surrogate.js';
import { createAdvantageRule, createHistory, type RewardedGroup } from '../../src/operators/index.js';
import { type OwnKind, rememberOwnEntry } from '../../src/own-entries.js';
import { sharedConfig } from '../../src/streams/config/resolved/shared-config.js';
import { watchGuards } from '../../src/streams/run/watch-guards.js';
import { ownProject } from './own-project.js';

const RULE = 'stages.advantages={type: advantages, rule: module, module: it.mjs}';
const SURROGATE = 'stages.trainer.surrogate={type: module, module: it.mjs}';
const SCHEDULE = 'stages.schedule={type: schedule, mode: module, module: it.mjs}';
const FORKS = ['stages.sampler.forkPlan=module', 'stages.sampler.forkModule={module: it.mjs}'];
const GUARD = 'guards.own={dark: {module: it.mjs}}';
const defined = (definer: string, made: string, fields = '{}') =>
  `import { ${definer}, integer } from 'tributary-rl';
   export default ${definer}({ fields: ${fields}, create: ${made} });`;

/** What lint says of the module, by title. */
const CASES: readonly (readonly [
  title: string,
  module: string | null,
  set: readonly string[],
  says: RegExp,
])[] = [
  ['no file', null, [RULE], / stages.advantages.module: expected a module that loads, got no file there/],
  [
    'text that is no JavaScript',
    'export default {',
    [RULE],
    /advantages.module: expected a module that loads, got "/,
  ],
  [
    'no default export',
    'export const rule = 1;',
    [RULE],
    /expected a module that exports by default what one of .*, got one that exports rule\./,
  ],
  [
    'another kind',
    defined('defineGuard', '() => ({})'),
    [RULE],
    /expected .* what defineAdvantageRule returns, got what defineGuard returns\. Correct the module/,
  ],
  [
    'an option that is not there',
    defined('defineAdvantageRule', '() => ({ advantages: () => [] })'),
    [RULE, 'stages.advantages.options.gap=1'],
    /advantages.options.gap the key: expected/,
  ],
  [
    'an option out of range',
    defined('defineAdvantageRule', '() => ({ advantages: () => [] })', '{ gap: integer(1, 3) }'),
    [RULE, 'stages.advantages.options.gap=4'],
    /--set stages.advantages.options.gap=4 stages.advantages.options.gap: expected an integer from 1 to 3, got 4/,
  ],
  [
    'an option that lacks',
    defined('defineAdvantageRule', '() => ({ advantages: () => [] })', '{ gap: integer(1, 3) }'),
    [RULE],
    /stages.advantages.options.gap: expected an integer from 1 to 3, got nothing/,
  ],
  [
    'another checksum',
    defined('defineAdvantageRule', '() => ({ advantages: () => [] })'),
    [RULE, `stages.advantages.sha256=${'f'.repeat(64)}`],
    /advantages.sha256: expected that of it.mjs, [0-9a-f]{64}, got f{64}/,
  ],
  [
    'a rule without advantages',
    defined('defineAdvantageRule', '() => ({})'),
    [RULE],
    /advantages.module: expected create to return a function advantages, got none/,
  ],
  [
    'a create that throws',
    defined('defineAdvantageRule', '() => { throw new Error("no idea"); }'),
    [RULE],
    /advantages.module: expected create to return, got "Error: no idea"/,
  ],
  [
    'a surrogate of no kind',
    defined('defineSurrogate', '() => ({ trainsOn: "rows", loss: () => 0 })'),
    [SURROGATE],
    /surrogate.module: expected trainsOn: steps, pairs or denoising, got "rows"/,
  ],
  [
    'a surrogate that its sampler does not fit',
    defined('defineSurrogate', '() => ({ trainsOn: "denoising", loss: () => 0 })'),
    [SURROGATE],
    /sampler.guidanceScale: expected at most 1 for the surrogate module/,
  ],
  [
    'a schedule beyond the sampler',
    defined('defineSchedule', '() => ({ round }) => round + 9'),
    [SCHEDULE],
    /schedule.module: expected a number in 1..10 or ascending steps in 0..9 for round 2, got 11/,
  ],
  [
    'a schedule of unordered steps',
    defined('defineSchedule', '() => () => [3, 2]'),
    [SCHEDULE],
    /for round 0, got \[3,2\]/,
  ],
  [
    'a fork plan of unordered steps',
    defined('defineForkPlan', '() => () => [4, 4]'),
    FORKS,
    /forkModule.module: expected ascending steps in -1..9, got \[4,4\]/,
  ],
  [
    'a fork module that nothing uses',
    defined('defineForkPlan', '() => () => [4]'),
    FORKS.slice(1),
    /sampler.forkModule: expected none for the fork plan interval, got one/,
  ],
  [
    'a fork plan without a module',
    null,
    FORKS.slice(0, 1),
    /sampler.forkModule: expected a module for the fork plan module, got nothing/,
  ],
  [
    'a guard without a threshold',
    defined('defineGuard', '() => ({ start: () => () => 0, quantity: "", nextStep: "" })'),
    [GUARD],
    /guards.own.dark.module: expected a threshold of at least 0, got undefined/,
  ],
  [
    'a guard with the name of another',
    defined('defineGuard', '() => ({})'),
    ['guards.own={ratioDrift: {module: it.mjs}}'],
    /guards.own.ratioDrift.*: expected a name of letters/,
  ],
];

describe('lint', () => {
  /** One process for all. */
  const lintAll = async (): Promise<readonly (readonly string[])[]> => {
    const { folder, run } = await ownProject();
    for (const [index, [, module]] of CASES.entries())
      if (module !== null) await writeFile(join(folder, `it${index}.mjs`), module);
    const tasks = CASES.map(([, , set], index) =>
      set.map((text) => text.replace('it.mjs', `it${index}.mjs`)),
    );
    await writeFile(
      join(folder, 'lint.js'),
      `import { lint } from 'tributary-rl';
       const found = [];
       for (const set of ${JSON.stringify(tasks)}) {
         const { faults } = await lint('tributary:shapes-b2-branch', set);
         found.push(faults.map(({ message }) => message));
       }
       console.log(JSON.stringify(found));`,
    );
    const { stdout, stderr } = await run('lint.js');
    expect(stderr).toBe('');
    return JSON.parse(stdout);
  };
  let says: ReturnType<typeof lintAll> | undefined;

  it.each(CASES.map(([title, , , message], index) => [title, index, message] as const))(
    'should say what is wrong with %s, and nothing else',
    async (_, index, message) => {
      says ??= lintAll();
      const said = ((await says)[index] ?? []).map((text) => text.replaceAll(`it${index}.mjs`, 'it.mjs'));
      expect(said).toEqual([expect.stringMatching(message)]);
    },
  );
});

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
