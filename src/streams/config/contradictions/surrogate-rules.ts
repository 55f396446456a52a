/** @file Whether the surrogate can be trained on what the other stages give it. */
import { usesGuidance } from '../../../models/diffusion/guided-output.js';
import { createSurrogate } from '../../../models/objectives/index.js';
import { allowsStale, comparesPairs } from '../../../models/objectives/surrogate.js';
import { sharesEdges } from '../../../rollout-tree.js';
import { selectableSamples } from '../resolved/derived-sizes.js';
import { intervalTrees } from '../resolved/interval-trees.js';
import { findStage } from '../resolved/stage-of.js';
import { type ConfigRule, contradiction } from './config-rule.js';

const kindFits: ConfigRule = (config) => {
  const sampler = findStage(config, 'sampler');
  const trainer = findStage(config, 'trainer');
  if (!sampler || !trainer) return [];
  const created = createSurrogate(trainer.surrogate);
  const { trainsOn } = created;
  const { type } = trainer.surrogate;
  const surrogate = ['stages', trainer.name, 'surrogate'];
  const faults = [];
  if (sampler.stochasticSteps === 'none' && trainsOn !== 'denoising') {
    const path = ['stages', sampler.name, 'stochasticSteps'];
    const expected = `noise at the trained steps for the surrogate ${type}, which needs their log-probs`;
    faults.push(contradiction(path, { expected, got: 'none', nextStep: 'Set all or trained.' }, [surrogate]));
  }
  if (trainer.updates.from === 'replay' && trainsOn !== 'steps') {
    const path = ['stages', trainer.name, 'updates', 'from'];
    const expected = `round for the surrogate ${type}, which is not trained on single steps`;
    faults.push(contradiction(path, { expected, got: 'replay', nextStep: 'Set from: round.' }, [surrogate]));
  }
  if (trainer.value.type === 'network' && trainsOn !== 'steps') {
    const path = ['stages', trainer.name, 'value', 'type'];
    const expected = `none for the surrogate ${type}, which is not trained on single steps`;
    faults.push(contradiction(path, { expected, got: 'network', nextStep: 'Set type: none.' }, [surrogate]));
  }
  if (trainsOn === 'denoising' && usesGuidance(sampler.guidanceScale)) {
    const path = ['stages', sampler.name, 'guidanceScale'];
    const expected = `at most 1 for the surrogate ${type}, which fits the network's output to noised pictures`;
    faults.push(
      contradiction(path, { expected, got: String(sampler.guidanceScale), nextStep: 'Set it to 1.' }, [
        surrogate,
      ]),
    );
  }
  if (trainsOn === 'denoising' && config.guards.klToPretrained.action !== 'off') {
    const path = ['guards', 'klToPretrained', 'action'];
    const expected = `off for the surrogate ${type}, which is not trained on the sampler's steps`;
    const got = config.guards.klToPretrained.action;
    faults.push(contradiction(path, { expected, got, nextStep: 'Set action: off.' }, [surrogate]));
  }
  if (comparesPairs(created) && trainer.minibatchSize % 2 === 1) {
    const path = ['stages', trainer.name, 'minibatchSize'];
    const expected = `an even number for the surrogate ${type}, whose rows come in pairs`;
    faults.push(
      contradiction(path, { expected, got: String(trainer.minibatchSize), nextStep: 'Add one.' }, [
        surrogate,
      ]),
    );
  }
  return faults;
};

/** Its correction is that of a Gaussian's ratio. */
const guardTakesLogProbs: ConfigRule = (config) => {
  const sampler = findStage(config, 'sampler');
  const trainer = findStage(config, 'trainer');
  if (sampler?.logProb !== 'squared-distance' || trainer?.surrogate.type !== 'grpo-guard') return [];
  const expected = 'gaussian for the surrogate grpo-guard, which corrects the ratio of Gaussians';
  return [
    contradiction(
      ['stages', sampler.name, 'logProb'],
      { expected, got: sampler.logProb, nextStep: 'Set logProb: gaussian, or surrogate: { type: grpo }.' },
      [['stages', trainer.name, 'surrogate']],
    ),
  ];
};

/** What a surrogate compares with, or takes its ratio to, must be what has sampled. */
const ratiosAreToTheSampler: ConfigRule = (config) => {
  const sampler = findStage(config, 'sampler');
  const trainer = findStage(config, 'trainer');
  if (!sampler || !trainer) return [];
  const created = createSurrogate(trainer.surrogate);
  const { trainsOn, references } = created;
  const { type } = trainer.surrogate;
  const surrogate = ['stages', trainer.name, 'surrogate'];
  const needsFresh = type === 'ddpo-sf' || (references.includes('old') && !allowsStale(created));
  const readsOld = trainsOn !== 'denoising' || references.includes('old');
  const faults = [];
  if (sampler.sampleFrom === 'pretrained' && readsOld) {
    const path = ['stages', sampler.name, 'sampleFrom'];
    const expected = `policy for the surrogate ${type}, which compares the policy with the one that sampled`;
    faults.push(
      contradiction(path, { expected, got: 'pretrained', nextStep: 'Set sampleFrom: policy.' }, [surrogate]),
    );
  }
  if (trainer.samplingPolicyDecay > 0 && trainsOn !== 'denoising') {
    const path = ['stages', trainer.name, 'samplingPolicyDecay'];
    const expected = `0 for the surrogate ${type}, whose ratios begin at the policy that sampled`;
    faults.push(
      contradiction(path, { expected, got: String(trainer.samplingPolicyDecay), nextStep: 'Set it to 0.' }, [
        surrogate,
      ]),
    );
  }
  if (trainer.maxStaleness > 0 && needsFresh) {
    const path = ['stages', trainer.name, 'maxStaleness'];
    const expected = `0 for the surrogate ${type}, which needs the very policy that sampled`;
    faults.push(
      contradiction(path, { expected, got: String(trainer.maxStaleness), nextStep: 'Set it to 0.' }, [
        surrogate,
      ]),
    );
  }
  return faults;
};

const pairsShareNoTrainedStep: ConfigRule = (config, { noisySteps }) => {
  const sampler = findStage(config, 'sampler');
  const trainer = findStage(config, 'trainer');
  if (!sampler || !trainer || createSurrogate(trainer.surrogate).trainsOn !== 'pairs') return [];
  const shares = intervalTrees(config, noisySteps).some(({ interval, widths }) =>
    sharesEdges({ firstStep: 0, widths }, interval.firstStep),
  );
  if (!shares) return [];
  const path = ['stages', sampler.name, 'forkPlan'];
  const expected = `forks before or at the first trained step for the surrogate ${trainer.surrogate.type}, which compares whole branches`;
  const nextStep = 'Set forkPlan: interval or independent.';
  return [
    contradiction(path, { expected, got: sampler.forkPlan, nextStep }, [
      ['stages', trainer.name, 'surrogate'],
    ]),
  ];
};

const someStepWeighs: ConfigRule = (config, { noisySteps }) => {
  const sampler = findStage(config, 'sampler');
  const trainer = findStage(config, 'trainer');
  if (!sampler || trainer?.stepWeighting !== 'drop-last') return [];
  // Those that noise the pictures themselves read no weights.
  if (createSurrogate(trainer.surrogate).trainsOn === 'denoising') return [];
  const last = sampler.numInferenceSteps - 1;
  if (!intervalTrees(config, noisySteps).some(({ interval }) => interval.firstStep === last)) return [];
  const path = ['stages', trainer.name, 'stepWeighting'];
  const expected = `a weight for step ${last}, the only one that some round trains`;
  const nextStep = 'Set another weighting, or train more steps.';
  const schedule = findStage(config, 'schedule')?.name ?? '';
  return [contradiction(path, { expected, got: 'drop-last', nextStep }, [['stages', schedule]])];
};

const pairsHaveTwoBranches: ConfigRule = (config) => {
  const sampler = findStage(config, 'sampler');
  const trainer = findStage(config, 'trainer');
  if (!sampler || !trainer || sampler.numBranches > 1) return [];
  if (!comparesPairs(createSurrogate(trainer.surrogate))) return [];
  const path = ['stages', sampler.name, 'numBranches'];
  const expected = `at least 2 for the surrogate ${trainer.surrogate.type}, which compares two branches of a group`;
  return [
    contradiction(path, { expected, got: '1', nextStep: 'Raise it.' }, [
      ['stages', trainer.name, 'surrogate'],
    ]),
  ];
};

/** The score function is unbiased for the policy that sampled alone: one optimizer step, on everything. */
const scoreFunctionIsOnPolicy: ConfigRule = (config, { noisySteps }) => {
  const prompts = findStage(config, 'prompts');
  const advantages = findStage(config, 'advantages');
  const trainer = findStage(config, 'trainer');
  if (!prompts || !advantages || trainer?.surrogate.type !== 'ddpo-sf') return [];
  // A schedule that fits no sampler has no groups to count.
  const trees = intervalTrees(config, noisySteps);
  if (trees.length === 0) return [];
  const { updates } = trainer;
  const path = ['stages', trainer.name, 'updates'];
  const surrogate = ['stages', trainer.name, 'surrogate'];
  const selectable = selectableSamples(trees, advantages, prompts.groupsPerRound);
  const isOnce =
    updates.from === 'round' && updates.innerEpochs === 1 && updates.samplesPerUpdate >= selectable;
  if (isOnce) return [];
  const got =
    updates.from === 'replay'
      ? 'a replay buffer'
      : `innerEpochs ${updates.innerEpochs}, samplesPerUpdate ${updates.samplesPerUpdate}`;
  const expected = 'one optimizer step a round for the surrogate ddpo-sf, which has no ratio';
  const nextStep = `Set from: round, innerEpochs: 1, samplesPerUpdate: ${selectable}; or the surrogate ddpo-is.`;
  return [contradiction(path, { expected, got, nextStep }, [surrogate])];
};

export const SURROGATE_RULES: readonly ConfigRule[] = [
  kindFits,
  guardTakesLogProbs,
  ratiosAreToTheSampler,
  pairsShareNoTrainedStep,
  someStepWeighs,
  pairsHaveTwoBranches,
  scoreFunctionIsOnPolicy,
];
