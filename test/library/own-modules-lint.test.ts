/** @file What lint says of modules of one's own that it cannot use. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ownProject } from './own-project.js';

const RULE = 'stages.advantages={type: advantages, rule: module, module: it.mjs}';
const SURROGATE = 'stages.trainer.surrogate={type: module, module: it.mjs}';
const SCHEDULE = 'stages.schedule={type: schedule, mode: module, module: it.mjs}';
const FORKS = ['stages.sampler.forkPlan=module', 'stages.sampler.forkModule={module: it.mjs}'];
const SERVING = [
  'stages.prompts.source={from: topic}',
  'stages.gateway={type: gateway, pictures: 16, serve: {rule: {module: it.mjs}}}',
];
const GUARD = 'guards.own={dark: {module: it.mjs}}';
const OPERATOR = 'stages.odd={type: operator, module: it.mjs, reads: prompts, writes: odd}';
const ODD = [OPERATOR, 'stages.sampler.reads={prompts: odd}'];
const REWARD = 'stages.reward={type: reward, from: module, path: it.mjs}';
const GOLD = 'evaluation.gold={red: {from: module, path: it.mjs}}';
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
  [
    'a serving rule that judges nothing',
    defined('defineServingRule', '() => ({ picture: () => null })'),
    SERVING,
    /serve.rule.module: expected create to return a function prompt, or pictures, or both, got prompt: undefined/,
  ],
  [
    'a rule of another kind for what is served',
    defined('defineGuard', '() => ({})'),
    SERVING,
    /serve.rule.module: expected .* what defineServingRule returns, got what defineGuard returns/,
  ],
  ['no operator', null, ODD, /odd.module: expected a module that loads, got no file there/],
  [
    'an operator that is no function',
    'setInterval(() => undefined, 1000); export default 7;',
    ODD,
    /odd.module: expected a default export that is a function from options to an RxJS operator, got number/,
  ],
  [
    'an operator that refuses its options',
    'export default ({ words }) => words.map;',
    ODD,
    /odd.module: expected its function to return an RxJS operator, got "TypeError: /,
  ],
  [
    'an operator that comes later',
    'export default async () => (messages$) => messages$;',
    ODD,
    /odd.module: .*, got a promise/,
  ],
  [
    'an operator whose module throws where nobody waits',
    'setTimeout(() => { throw new Error("late"); }); await new Promise(() => setInterval(() => {}, 1000));',
    ODD,
    /odd.module: expected a module that loads, got "Error: late"/,
  ],
  ['an operator whose module exits', 'process.exit(3);', ODD, /odd.module: .*, got one that ends its thread/],
  [
    'a reward without a score',
    'export const scores = 1;',
    [REWARD],
    /reward.path: expected it to export a function score, .*, got scores/,
  ],
  [
    'a reward of another kind',
    defined('defineGuard', '() => ({})'),
    [REWARD],
    /got what defineGuard returns/,
  ],
  [
    'a reward with an option that is not there',
    defined('defineReward', '() => ({ score: () => [] })'),
    [REWARD, 'stages.reward.options.gap=1'],
    /reward.options.gap the key: expected/,
  ],
  [
    'a reward with an option out of range',
    defined('defineReward', '() => ({ score: () => [] })', '{ gap: integer(1, 3) }'),
    [REWARD, 'stages.reward.options.gap=4'],
    /--set stages.reward.options.gap=4 stages.reward.options.gap: expected an integer from 1 to 3, got 4/,
  ],
  [
    'a reward that scores nothing',
    defined('defineReward', '() => ({})'),
    [REWARD],
    /reward.path: expected create to return a function score, got none/,
  ],
  [
    'a reward that throws',
    defined('defineReward', '() => { throw new Error("no idea"); }'),
    [REWARD],
    /reward.path: expected create to return, got "Error: no idea"/,
  ],
  [
    'a reward in a sum',
    'export const scores = 1;',
    ['stages.reward={type: reward, from: sum, parts: {red: {from: module, path: it.mjs, weight: 1}}}'],
    /reward.parts.red.path: expected it to export/,
  ],
  [
    'a reward that is only measured',
    'export const scores = 1;',
    [GOLD],
    /evaluation.gold.red.path: expected it to export/,
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
