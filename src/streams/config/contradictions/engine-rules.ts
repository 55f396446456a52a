/** @file Whether batches divide into runs, and the threads of an engine into sessions. */
import { usesGuidance } from '../../../models/diffusion/guided-output.js';
import { intervalTrees } from '../resolved/interval-trees.js';
import { findStage } from '../resolved/stage-of.js';
import { type ConfigRule, divisorsNear, useOneOf } from './config-rule.js';

/** Rows that only fill up a run cost as much as others. */
const chunksDivideBatches: ConfigRule = (config, { noisySteps }) => {
  const sampler = findStage(config, 'sampler');
  if (!sampler || sampler.chunkSize === undefined) return [];
  const { chunkSize, groupsPerBatch, guidanceScale } = sampler;
  const passes = usesGuidance(guidanceScale) ? 2 : 1;
  const widths = intervalTrees(config, noisySteps).flatMap((tree) => tree.widths.slice(0, -1));
  const batches = [...new Set(widths)].map((width) => width * groupsPerBatch * passes);
  const indivisible = batches.filter((rows) => rows > chunkSize && rows % chunkSize !== 0);
  if (indivisible.length === 0) return [];
  const path = ['stages', sampler.name, 'chunkSize'];
  const of = passes === 2 ? ', guidance counted twice' : '';
  return [
    {
      kind: 'indivisible',
      path,
      expected: `a divisor of the ${indivisible.join(' and ')} rows of a batch${of}`,
      got: String(chunkSize),
      nextStep: useOneOf(divisorsNear(indivisible.reduce(commonDivisor), chunkSize)),
      involves: [path, ['stages', sampler.name, 'groupsPerBatch'], ['stages', sampler.name, 'numBranches']],
    },
  ];
};

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));

const sessionsDivideThreads: ConfigRule = ({ engine: { threads, sessionThreads } }) => {
  if (sessionThreads === undefined || threads % sessionThreads === 0) return [];
  const path = ['engine', 'sessionThreads'];
  return [
    {
      kind: 'indivisible',
      path,
      expected: `a divisor of engine.threads ${threads}`,
      got: String(sessionThreads),
      nextStep: useOneOf(divisorsNear(threads, sessionThreads)),
      involves: [path, ['engine', 'threads']],
    },
  ];
};

export const ENGINE_RULES: readonly ConfigRule[] = [chunksDivideBatches, sessionsDivideThreads];
