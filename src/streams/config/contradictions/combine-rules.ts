/** @file Whether the parts of a combination fit it, the rule that reads them, and whoever writes them. */
import { advantageRuleTraits } from '../../../operators/index.js';
import { graphTopics } from '../graph/topology-graph.js';
import { rewardParts, trainedStages } from '../resolved/reward-parts.js';
import { findStage } from '../resolved/stage-of.js';
import { type ConfigRule, contradiction } from './config-rule.js';

/** Parts that are not added up need a rule that reads them, and such a rule parts that are not. */
const rulesReadParts: ConfigRule = (config) => {
  const combine = findStage(config, 'combine');
  const advantages = findStage(config, 'advantages');
  if (!advantages) return [];
  if (!combine) return [];
  const readsParts = advantageRuleTraits(advantages).readsParts === true;
  const path = ['stages', advantages.name, 'rule'];
  if (readsParts && combine.by !== 'gdpo') {
    const said = {
      expected: `by: gdpo of the stage "${combine.name}" for the rule ${advantages.rule}`,
      got: `by: ${combine.by}`,
      nextStep: `Set stages.${combine.name}.by: gdpo.`,
    };
    return [contradiction(path, said, [['stages', combine.name, 'by']])];
  }
  if (combine.by !== 'gdpo' || readsParts) return [];
  return [
    contradiction(
      ['stages', combine.name, 'by'],
      {
        expected: 'the rule gdpo for parts that are not added up',
        got: `the rule ${advantages.rule}`,
        nextStep: `Set stages.${advantages.name}.rule: gdpo, or by: sum.`,
      },
      [path],
    ),
  ];
};

/**
 * What the largest weight must reach. `sum`: a share of 1e9, as the bound above. `gdpo`: its rule divides by the standard
 * deviation of the weighted sum plus 1e-4, and beside that smaller weights would not count: all advantages would shrink
 * toward 0.
 */
const LEAST_LARGEST = { sum: 1e-9, gdpo: 0.01 };

/** Only sums have weights, and one of them must count. */
const weightsFit: ConfigRule = (config) => {
  const combine = findStage(config, 'combine');
  if (!combine) return [];
  const { name, by, parts } = combine;
  const place = (part: string) => ['stages', name, 'parts', part, 'weight'];
  const entries = Object.entries(parts);
  if (by === 'sum' || by === 'gdpo') {
    const [first] = entries;
    const largest = Math.max(...entries.map(([, { weight }]) => Math.abs(weight)));
    const least = LEAST_LARGEST[by];
    if (!first || largest >= least) return [];
    return [
      contradiction(
        place(first[0]),
        {
          expected:
            largest === 0
              ? 'a part with a weight other than 0'
              : `a part with a weight of at least ${least} or at most -${least} with by: ${by}`,
          got: `${largest === 0 ? '0' : `${largest} at most`} for ${entries.length === 1 ? 'the only part' : `all ${entries.length} parts`}`,
          nextStep:
            largest === 0
              ? 'Give the parts that count a weight.'
              : 'Multiply the weights of all parts by one factor.',
        },
        [['stages', name, 'by']],
      ),
    ];
  }
  return entries
    .filter(([, { weight }]) => weight !== 1)
    .map(([part, { weight }]) =>
      contradiction(
        place(part),
        {
          expected: `no weight with by: ${by}`,
          got: String(weight),
          nextStep: 'Remove it, or set by: sum.',
        },
        [['stages', name, 'by']],
      ),
    );
};

const deadlineDecides: ConfigRule = (config) => {
  const combine = findStage(config, 'combine');
  if (combine?.deadlineMs === undefined) return [];
  if (Object.values(combine.parts).some(({ missing }) => missing !== 'wait')) return [];
  const said = {
    expected: 'a part that need not be waited for',
    got: 'missing: wait for all of them',
    nextStep: 'Set missing: drop-group or leave-out for the parts that may be late, or remove deadlineMs.',
  };
  return [contradiction(['stages', combine.name, 'deadlineMs'], said)];
};

/** Evaluations need a reward, and one process alone has nobody outside. */
const rewardsComeFromSomewhere: ConfigRule = (config) => {
  const outside = Object.entries(config.stages).flatMap(([name, stage]) =>
    stage.type === 'reward' && stage.from === 'topic' ? [name] : [],
  );
  const [first] = outside;
  if (first === undefined) return [];
  const path = ['stages', first, 'from'];
  if (trainedStages(config).length === 0)
    return [
      contradiction(path, {
        expected: 'a reward that can be computed beside those that others write, for evaluations',
        got: 'none',
        nextStep: 'Add a reward stage, and combine both.',
      }),
    ];
  const parts = rewardParts(config);
  const isWritten = (topic: string) =>
    graphTopics(config)
      .find(({ name }) => name === topic)
      ?.writers.some((writer) => !outside.includes(writer)) ?? false;
  const combine = findStage(config, 'combine');
  const endless = parts.find(
    ({ name, topic }) =>
      outside.includes(name) && !isWritten(topic) && (combine?.parts[name]?.missing ?? 'wait') === 'wait',
  );
  if (config.transport.kind === 'kafka' || endless === undefined) return [];
  return [
    contradiction(
      ['stages', endless.name, 'from'],
      {
        expected: 'transport.kind: kafka for rewards that others write and the run waits for',
        got: config.transport.kind,
        nextStep: 'Set it, or give the part missing: leave-out and a deadlineMs.',
      },
      [['transport', 'kind']],
    ),
  ];
};

export const COMBINE_RULES: readonly ConfigRule[] = [
  rulesReadParts,
  weightsFit,
  deadlineDecides,
  rewardsComeFromSomewhere,
];
