import { describe, expect, test } from 'vitest';
import { lintStudy, loadStudy } from '../../../../src/streams/study/config/lint-study.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { exampleStudy, readSmall, STUDY } from '../example-study.js';

const faultsOf = (text: string) =>
  lintStudy(text, 'config/study.yaml', readSmall).faults.map(({ message }) => message);

describe('lintStudy', () => {
  test('should resolve every row with its changes', () => {
    const { rows, rewardQueries, conclusionsPath } = exampleStudy();
    expect(rows.map(({ name, numRounds, seeds }) => [name, numRounds, seeds])).toEqual([
      ['plain', 2, [1, 2]],
      ['fast', 1, [1, 2]],
    ]);
    expect(rows[1]?.overrides).toEqual(['stages.prompts.numRounds=1', 'stages.sampler.numBranches=8']);
    expect([rewardQueries, conclusionsPath]).toEqual([256, null]);
  });

  test('should name rows differently exactly where they compute differently', () => {
    const [plain, fast] = exampleStudy().rows;
    const saved = 'set: { stages.sampler.numBranches: 4, checkpoints.keep: 9, stages.prompts.numRounds: 2 }';
    const [reordered] = exampleStudy(STUDY.replace(/set: .*numBranches: 4 }/, saved)).rows;
    expect(plain?.fingerprint).not.toBe(fast?.fingerprint);
    expect(reordered?.fingerprint).toBe(plain?.fingerprint);
  });

  test("should lay a row's changes over those of the study", () => {
    const text = STUDY.replace('rows:\n', 'set: { engine.threads: 1, stages.prompts.numRounds: 7 }\nrows:\n');
    expect(exampleStudy(text).rows.map(({ config }) => config.engine.threads)).toEqual([1, 1]);
    expect(exampleStudy(text).rows.map(({ numRounds }) => numRounds)).toEqual([2, 1]);
    expect(faultsOf(text.replace('engine.threads: 1', 'seed: 3'))[0]).toContain(
      'set.seed: expected no seed, which the study sets, got 3 (number).',
    );
  });

  test('should chart all rows, or those that are named', () => {
    expect(exampleStudy().chartRows).toEqual(['plain', 'fast']);
    expect(exampleStudy(`${STUDY}charts: [fast]\n`).chartRows).toEqual(['fast']);
    expect(faultsOf(`${STUDY}charts: [fats]\n`)).toEqual([
      'config/study.yaml:16:10 charts[0]: expected one of the rows plain, fast, got "fats". Did you mean "fast"?',
    ]);
  });

  test('should take the rows that were made before a change, and find one that it does not have', () => {
    const outdated = 'outdated:\n  - { change: The rule is another one., rows: [plain, fast] }\n';
    expect(exampleStudy(STUDY).outdated).toEqual([]);
    expect(exampleStudy(`${STUDY}${outdated}`).outdated).toEqual([
      { change: 'The rule is another one.', rows: ['plain', 'fast'] },
    ]);
    expect(faultsOf(`${STUDY}${outdated.replace('fast', 'fats')}`)).toEqual([
      'config/study.yaml:17:55 outdated[0].rows[1]: expected one of the rows plain, fast, got "fats". Did you mean "fast"?',
    ]);
  });

  test('should find a row that a section names and the study does not have', () => {
    expect(
      faultsOf(STUDY.replace('rows: [fast]', 'rows: [fats]').replace('baseline: plain', 'baseline: other')),
    ).toEqual([
      'config/study.yaml:14:55 sections[0].rows[0]: expected one of the rows plain, fast, got "fats". Did you mean "fast"?',
      'config/study.yaml:14:72 sections[0].baseline: expected one of the rows plain, fast, got "other". Add it to `rows`.',
    ]);
  });

  test('should find rows with another budget, and say what would fit', () => {
    expect(faultsOf(STUDY.replace('numRounds: 1', 'numRounds: 3'))).toEqual([
      "config/study.yaml:9:3 rows.fast reward queries: expected the study's budget of 256, got 768, 256 a round. Set numRounds of its prompts to 1.",
    ]);
    expect(faultsOf(STUDY.replace('numBranches: 8', 'numBranches: 6'))).toEqual([
      "config/study.yaml:9:3 rows.fast reward queries: expected the study's budget of 256, got 192, 192 a round. Change groupsPerRound or numBranches: 192 does not divide the budget.",
    ]);
  });

  test('should let a row have a budget of its own, and hold it to that', () => {
    const halved = STUDY.replace('title: Fast', 'title: Fast\n    budget: { rewardQueries: 512 }');
    expect(faultsOf(halved)).toEqual([
      "config/study.yaml:9:3 rows.fast reward queries: expected the row's budget of 512, got 256, 256 a round. Set numRounds of its prompts to 2.",
    ]);
    expect(faultsOf(halved.replace('numRounds: 1', 'numRounds: 2'))).toEqual([]);
  });

  test('should find a preset that is not there', () => {
    const [first, ...others] = faultsOf(STUDY.replaceAll('presets/small', 'presets/none'));
    expect(first).toBe(
      'config/study.yaml:7:13 rows.plain.preset: expected a file that can be read, got ENOENT at config/presets/none.yaml. Write its path relative to this file.',
    );
    expect(others.length).toBe(1);
  });

  test('should find conclusions that are not there before anything runs', () => {
    expect(faultsOf(`${STUDY}conclusions: none.md\n`)).toEqual([
      'config/study.yaml:16:14 conclusions: expected a file that can be read, got ENOENT at config/none.md. Write its path relative to this file.',
    ]);
  });

  test('should find a change that the preset does not take, with the row it is of', () => {
    expect(faultsOf(STUDY.replace('stages.prompts.numRounds: 1', 'stages.prompts.numRound: 1'))).toEqual([
      expect.stringMatching(
        /^config\/study\.yaml:11:13 rows\.fast: --set stages\.prompts\.numRound=1 .*Did you mean "numRounds"\?$/,
      ),
    ]);
  });

  test('should refuse a guard that would stop a run', () => {
    const guarded = STUDY.replace('numRounds: 1,', 'numRounds: 1, guards.ratioDrift.action: stop,');
    expect(faultsOf(guarded)).toEqual([
      'config/study.yaml:9:3 rows.fast guards.ratioDrift.action: expected a guard that lets the run come to its end, got stop. Set action: warn.',
    ]);
  });

  test('should refuse rows that are evaluated differently, but not rows that are evaluated more often', () => {
    const withFast = (change: string) => faultsOf(STUDY.replace('numRounds: 1,', `numRounds: 1, ${change},`));
    expect(withFast('evaluation.everyRounds: 1')).toEqual([]);
    expect(withFast('evaluation.imagesPerPrompt: 3')).toEqual([
      expect.stringMatching(
        /^config\/study\.yaml:9:3 rows\.fast evaluation\.imagesPerPrompt: expected \d+ as in row "plain", got 3\. Evaluate all rows alike\.$/,
      ),
    ]);
  });

  test('should refuse to compare rows that differ in what is not the question', () => {
    const other = STUDY.replace(
      'numRounds: 1,',
      'numRounds: 1, stages.prompts.train: other.txt, stages.reward.maxMagnitude: 9,',
    );
    const place = 'config/study.yaml:14:55 sections[0].rows[0] fast';
    const next = 'Give both rows the same, or name it in `differIn` where the comparison is about it.';
    expect(faultsOf(other)).toEqual([
      `${place} prompts.train: expected "config/presets/train.txt" as in its baseline "plain", got "config/other.txt". ${next}`,
      `${place} reward.maxMagnitude: expected 1000000000000000 as in its baseline "plain", got 9. ${next}`,
    ]);
    const named = (words: string) =>
      faultsOf(other.replace('baseline: plain', `baseline: plain, differIn: ${words}`));
    expect(named('[reward, prompts]')).toEqual([]);
    expect(named('[prompts.train, reward.maxMagnitude]')).toEqual([]);
    expect(named('[prompts]')).toHaveLength(1);
    expect(named('[prompts, rew]')).toEqual([
      expect.stringContaining('reward.maxMagnitude'),
      'config/study.yaml:14:99 sections[0].differIn[1]: expected one of prompts.train, reward.maxMagnitude, got "rew". Remove it, or name the setting in which the rows differ.',
    ]);
    expect(faultsOf(STUDY.replace('baseline: plain', 'baseline: plain, differIn: [reward]'))).toEqual([
      expect.stringContaining('expected nothing, as the rows share what they should, got "reward"'),
    ]);
  });

  test('should refuse a guard that stops a run, but none that warns', () => {
    const withFast = (change: string) => faultsOf(STUDY.replace('numRounds: 1,', `numRounds: 1, ${change},`));
    expect(withFast('guards.ratioDrift.action: warn')).toEqual([]);
    expect(withFast('guards.ratioDrift.action: lower-learning-rate')).toEqual([]);
    expect(withFast('guards.ratioDrift.action: stop, guards.rewardCollapse.action: stop')).toEqual([
      'config/study.yaml:9:3 rows.fast guards.rewardCollapse.action: expected a guard that lets the run come to its end, got stop. Set action: warn.',
      'config/study.yaml:9:3 rows.fast guards.ratioDrift.action: expected a guard that lets the run come to its end, got stop. Set action: warn.',
    ]);
  });

  test('should keep seeds in the hands of the study', () => {
    expect(faultsOf(STUDY.replace('title: Fast', 'title: Fast\n    seeds: [3]'))).toEqual([
      "config/study.yaml:11:13 rows.fast.seeds[0]: expected one of the study's seeds 1, 2, got 3. Add it to the study's seeds, or remove it here.",
    ]);
    expect(
      faultsOf(STUDY.replace('stages.prompts.numRounds: 1', 'seed: 4, stages.prompts.numRounds: 1')),
    ).toEqual([
      'config/study.yaml:12:18 rows.fast.set.seed: expected no seed, which the study sets, got 4 (number). Name the seeds of a row in its `seeds`.',
    ]);
  });

  test('should find unknown keys and bad values of the study itself, all at once', () => {
    expect(
      faultsOf(STUDY.replace('seeds: [1, 2]', 'seeds: [1, 1]').replace('title: Fast', 'titel: Fast')),
    ).toEqual([
      'config/study.yaml:2:8 seeds: expected a list of different seeds, got a list of 2. Change the value.',
      'config/study.yaml:9:3 rows.fast.title: expected a title, got nothing. Add `title`.',
      'config/study.yaml:10:5 rows.fast.titel the key: expected one of preset, set, title, seeds, budget, got "titel". Did you mean "title"?',
    ]);
  });
});

test('should say which file cannot be read', async () => {
  expect(await faultOf(() => loadStudy('config/nowhere.yaml'))).toEqual([
    'TRIB_USAGE',
    'config config/nowhere.yaml: expected a file that can be read, got ENOENT. Name a YAML file, or a preset such as tributary:demo.',
  ]);
});
