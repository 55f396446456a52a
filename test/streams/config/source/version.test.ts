import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../../src/streams/config/lint-topology.js';
import { lintStudy } from '../../../../src/streams/study/config/lint-study.js';
import { STUDY } from '../../study/example-study.js';
import { SMALLEST, withLine } from '../valid-config.js';

/** A config of version 1 with every word that has changed since. */
const OLD = `name: old
model: { pipeline: p }
topics: { rewards: rewards }
evaluation: { everyStages: 2 }
stages:
  prompts: { type: prompts, train: t, heldOut: h, groupsPerStage: 4, numStages: 2 }
  schedule: { type: intervalSchedule, mode: list, stages: [1, 2] }
  sampler: { type: branchRollouts }
  rewards: { type: scoreRewards, model: m }
  advantages: { type: groupAdvantages, rule: branch-centred, historyStages: 8, centre: 0 }
  trainer:
    type: gradientSteps
    updates: { from: stage, updatesPerStage: 5 }
    value: { type: network, stepsPerStage: 5 }
`;
const WORDS =
  'everyStages as everyRounds, groupsPerStage as groupsPerRound, numStages as numRounds, ' +
  'type: intervalSchedule as type: schedule, stages as phases, type: branchRollouts as type: sampler, ' +
  'stages.rewards as stages.reward, type: scoreRewards as type: reward, type: groupAdvantages as type: advantages, ' +
  'rule: branch-centred as rule: branch-centered, historyStages as historyRounds, centre as center, ' +
  'type: gradientSteps as type: trainer, from: stage as from: round, ' +
  'updatesPerStage as updatesPerRound, stepsPerStage as stepsPerRound';

const messagesOf = (text: string, base = SMALLEST) =>
  lintTopology(text, 'a.yaml', { readText: () => base }).faults.map(({ message }) => message);

describe('versionFault', () => {
  it('should name all new words of an old config, once and alone', () => {
    expect(messagesOf(OLD)).toEqual([
      `a.yaml:1:1 version: expected 2, got nothing. Write version: 2, and ${WORDS}.`,
    ]);
  });

  it('should ask for the version alone where no word has changed', () => {
    expect(messagesOf(withLine('version:', ''))).toEqual([
      'a.yaml:1:1 version: expected 2, got nothing. Write version: 2.',
    ]);
  });

  it.each([
    ['3', '3 (number)'],
    ['"2"', '"2" (string)'],
    ['null', 'null'],
    ['[2]', 'a list of 1'],
  ])('should refuse version %s', (version, got) => {
    expect(messagesOf(withLine('version:', `version: ${version}`))).toEqual([
      `a.yaml:10:10 version: expected 2, got ${got}. Write version: 2.`,
    ]);
  });

  it('should ask for it in every file that a config is made of', () => {
    expect(messagesOf('extends: b.yaml\nseed: 3\n', OLD)).toEqual([
      `b.yaml:1:1 version: expected 2, got nothing. Write version: 2, and ${WORDS}.`,
      'a.yaml:1:1 version: expected 2, got nothing. Write version: 2.',
    ]);
    expect(messagesOf('extends: b.yaml\nseed: 3\nversion: 2\n')).toEqual([]);
    expect(messagesOf('extends: b.yaml\nseed: 3\nversion: 1\n')).toEqual([
      'a.yaml:3:10 version: expected 2, got 1 (number). Write version: 2.',
    ]);
  });

  it('should name the new word of an old one in a config of today', () => {
    const overrides = [
      'stages.prompts.numStages=4',
      'stages.reward.type=scoreRewards',
      'evaluation.centre=1',
    ];
    const { faults } = lintTopology(SMALLEST, 'a.yaml', { overrides });
    const found = faults.map(({ message }) => message).join('\n');
    expect(found).toContain('got "numStages". Since version 2 it is `numRounds`.');
    expect(found).toContain('got "scoreRewards" (string). Since version 2 it is `type: reward`.');
    expect(found).not.toContain('it is `center`');
  });

  it('should take no key from the prototype of an object for a word', () => {
    expect(messagesOf(`${withLine('version:', '')}constructor: { toString: valueOf }\n`)).toEqual([
      'a.yaml:1:1 version: expected 2, got nothing. Write version: 2.',
    ]);
  });

  it('should say of a study what its changes are called now', () => {
    const old = STUDY.replace('version: 2\n', '').replace(
      'seeds:',
      'set: { evaluation.everyStages: 18, stages.rewards.batchSize: 3, stages.advantages.rule: branch-centred }\nseeds:',
    );
    expect(lintStudy(old, 'study.yaml', () => SMALLEST).faults.map(({ message }) => message)).toEqual([
      'study.yaml:1:1 version: expected 2, got nothing. Write version: 2, and everyStages as everyRounds, stages.rewards as stages.reward, rule: branch-centred as rule: branch-centered.',
    ]);
  });
});
