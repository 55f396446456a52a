/** @file Whether the advantage rule can select what the updates ask for. */
import { selectableSamples } from '../resolved/derived-sizes.js';
import { intervalTrees } from '../resolved/interval-trees.js';
import { findStage } from '../resolved/stage-of.js';
import type { StageConfig } from '../schema/topology-schema.js';
import { type ConfigRule, type Contradiction, contradiction } from './config-rule.js';

type ReplayUpdates = Extract<StageConfig<'trainer'>['updates'], { from: 'replay' }>;

/** Whether a replay buffer can hold what an update draws, and the draws can be alike. */
function drawsFit(
  { capacity, transitionsPerUpdate, drawsPerUpdate }: ReplayUpdates,
  path: readonly string[],
): Contradiction[] {
  const at = (key: string) => [...path, key];
  const faults: Contradiction[] = [];
  if (transitionsPerUpdate > drawsPerUpdate * capacity) {
    const draws = drawsPerUpdate === 1 ? '' : `${drawsPerUpdate} times `;
    const expected = `at most ${draws}the capacity ${capacity} of the buffer`;
    const nextStep = 'Lower it, or raise the capacity.';
    const got = String(transitionsPerUpdate);
    const involved = [at('capacity'), at('drawsPerUpdate')];
    faults.push(contradiction(at('transitionsPerUpdate'), { expected, got, nextStep }, involved));
  }
  if (transitionsPerUpdate % drawsPerUpdate !== 0) {
    const expected = `a divisor of transitionsPerUpdate ${transitionsPerUpdate}`;
    const nextStep = 'Each draw is of transitionsPerUpdate / drawsPerUpdate transitions: change either.';
    const involved = [at('transitionsPerUpdate')];
    faults.push(
      contradiction(at('drawsPerUpdate'), { expected, got: String(drawsPerUpdate), nextStep }, involved),
    );
  }
  return faults;
}

const updatesFit: ConfigRule = (config, { noisySteps }) => {
  const prompts = findStage(config, 'prompts');
  const sampler = findStage(config, 'sampler');
  const schedule = findStage(config, 'schedule');
  const advantages = findStage(config, 'advantages');
  const trainer = findStage(config, 'trainer');
  if (!prompts || !sampler || !schedule || !advantages || !trainer) return [];
  const { updates, name } = trainer;
  if (updates.from === 'replay') {
    return drawsFit(updates, ['stages', name, 'updates']);
  }
  // A schedule that fits no sampler has no groups to count.
  const trees = intervalTrees(config, noisySteps);
  if (trees.length === 0) return [];
  const selectable = selectableSamples(trees, advantages, prompts.groupsPerRound);
  // A step that is carried through the passes may be larger than one of them.
  const passes = updates.remainder === 'carry' ? updates.innerEpochs : 1;
  if (updates.samplesPerUpdate <= passes * selectable) return [];
  const overPasses = passes === 1 ? '' : ` in ${passes} passes`;
  return [
    contradiction(
      ['stages', name, 'updates', 'samplesPerUpdate'],
      {
        expected: `at most the ${passes * selectable} samples that a round can select${overPasses}`,
        got: String(updates.samplesPerUpdate),
        nextStep: 'Lower it, or raise groupsPerRound.',
      },
      [
        ['stages', name, 'updates', 'remainder'],
        ['stages', name, 'updates', 'innerEpochs'],
        ['stages', prompts.name, 'groupsPerRound'],
        ['stages', sampler.name, 'numBranches'],
        ['stages', sampler.name, 'forkPlan'],
        ['stages', sampler.name, 'forkSteps'],
        ['stages', schedule.name],
        ['stages', advantages.name],
      ],
    ),
  ];
};

const selectionIsPossible: ConfigRule = (config) => {
  const advantages = findStage(config, 'advantages');
  if (advantages?.rule === 'history' && advantages.bestThreshold < advantages.worstThreshold) {
    const path = ['stages', advantages.name, 'bestThreshold'];
    return [
      {
        kind: 'contradiction',
        path,
        expected: `at least worstThreshold ${advantages.worstThreshold}`,
        got: String(advantages.bestThreshold),
        nextStep: 'Swap them.',
        involves: [path, ['stages', advantages.name, 'worstThreshold']],
      },
    ];
  }
  if (advantages?.rule === 'per-prompt' && advantages.minCount > advantages.bufferSize) {
    const path = ['stages', advantages.name, 'minCount'];
    return [
      {
        kind: 'contradiction',
        path,
        expected: `at most bufferSize ${advantages.bufferSize}`,
        got: String(advantages.minCount),
        nextStep: 'Lower it: a prompt could never use its own statistics.',
        involves: [path, ['stages', advantages.name, 'bufferSize']],
      },
    ];
  }
  return [];
};

export const SELECTION_RULES: readonly ConfigRule[] = [updatesFit, selectionIsPossible];
