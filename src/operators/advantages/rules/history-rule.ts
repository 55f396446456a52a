import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { number } from '../../../fields.js';
import {
  type AdvantageRule,
  defineAdvantageRule,
  extremesOf,
  sampleOf,
  stdFloorField,
} from '../advantage-rule.js';
import { historyRoundsField, type PromptPoolOptions, promptZScores } from '../prompt-z-scores.js';
import { ruleStatistics } from '../rule-statistics.js';

interface HistoryRuleOptions extends PromptPoolOptions {
  /** The best branch is kept iff z >= this. The released script says 0.5. */
  readonly bestThreshold: number;
  /** The worst branch is kept iff z < this. The released script says -0.5. */
  readonly worstThreshold: number;
}

/**
 * Creates the rule of the released B²-DiffuRL: best and worst branch of each group, by the z-score of their prompt.
 *
 *     keep argmax z iff max z >= bestThreshold;  keep argmin z iff min z < worstThreshold;  A = z of the kept branch
 *
 * Source: hu-zijing/B2-DiffuRL, selection script. The two tests are independent: a group gives 0, 1 or 2 samples; of equal
 * branches the first counts. The advantage includes the luck of the shared prefix, which `branchCenteredRule` removes.
 * z is that of `promptZScores`. Without a `stdFloor`, rewards that differ by 1e-9 give z near 0.1.
 *
 * Departure: that of `promptZScores`; a `stdFloor` above 0.
 *
 * Errors: TRIB_OPERATOR when `worstThreshold` exceeds `bestThreshold` (one branch could be both best and worst).
 */
export function historyRule(options: HistoryRuleOptions): AdvantageRule {
  const { bestThreshold, worstThreshold } = options;
  if (!(worstThreshold <= bestThreshold)) {
    throw new TributaryError(
      'TRIB_OPERATOR',
      `groupAdvantages \`worstThreshold\`: expected at most \`bestThreshold\` ${bestThreshold}, got ${worstThreshold}. Lower it.`,
    );
  }
  const normalize = promptZScores(options);
  return (history, groups) => {
    const { zScores, state } = normalize(history, groups);
    let selectedBest = 0;
    let selectedWorst = 0;
    const samples = groups.flatMap((group, index) => {
      const z = at(zScores, index);
      if (z.length === 0) return [];
      const [best, worst] = extremesOf(z);
      const [zBest, zWorst] = [at(z, best), at(z, worst)];
      const isBestKept = zBest >= bestThreshold;
      const isWorstKept = zWorst < worstThreshold;
      selectedBest += Number(isBestKept);
      selectedWorst += Number(isWorstKept);
      return [
        ...(isBestKept ? [sampleOf(group, best, zBest)] : []),
        ...(isWorstKept ? [sampleOf(group, worst, zWorst)] : []),
      ];
    });
    const statistics = { ...ruleStatistics(groups, samples, zScores), selectedBest, selectedWorst };
    return { state, samples, statistics };
  };
}

export const historyRuleSpec = defineAdvantageRule({
  name: 'history',
  summary:
    'B²-DiffuRL as released: z-scores over the prompt and its history; keeps the best and the worst branch of each group, if they pass their thresholds.',
  fields: {
    historyRounds: historyRoundsField,
    bestThreshold: number({ from: '(-Infinity', to: 'Infinity)' })
      .default(0.5)
      .describe(
        'The best branch is kept when its z >= this. Higher keeps fewer, clearer samples. At least worstThreshold.',
      ),
    worstThreshold: number({ from: '(-Infinity', to: 'Infinity)' })
      .default(-0.5)
      .describe('The worst branch is kept when its z < this. Lower keeps fewer, clearer samples.'),
    stdFloor: stdFloorField,
  },
  comparesBranches: true,
  creditsEdges: false,
  keeps: 'extremes',
  create: historyRule,
});
