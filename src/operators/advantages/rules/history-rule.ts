import { TributaryError } from '../../../errors.js';
import { number } from '../../../fields.js';
import {
  type AdvantageRule,
  defineAdvantageRule,
  hasZeroSpread,
  indexOfBest,
  indexOfWorst,
  sampleOf,
  stdFloorField,
} from '../advantage-rule.js';
import { historyRoundsField, type PromptPoolOptions, promptZScores } from '../prompt-z-scores.js';
import { intraGroupCorrelation } from '../rule-statistics.js';

export interface HistoryRuleOptions extends PromptPoolOptions {
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
 * Source: hu-zijing/B2-DiffuRL, selection script. Both tests are independent: a group gives 0, 1 or 2 samples; of equal
 * branches the first counts. The advantage holds the luck of the shared prefix too: `branchCenteredRule` removes it.
 * z is that of `promptZScores`, whose deviation from the source holds here. A `stdFloor` above 0 is a departure; without
 * one, rewards that differ by 1e-9 already give z near 0.1.
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
      const z = zScores[index] ?? [];
      const best = indexOfBest(z);
      const worst = indexOfWorst(z);
      const zBest = z[best];
      const zWorst = z[worst];
      const kept = [];
      if (zBest !== undefined && zBest >= bestThreshold) {
        selectedBest += 1;
        kept.push(sampleOf(group, best, zBest));
      }
      if (zWorst !== undefined && zWorst < worstThreshold) {
        selectedWorst += 1;
        kept.push(sampleOf(group, worst, zWorst));
      }
      return kept;
    });
    const zeroSpreadGroups = groups.filter(hasZeroSpread).length;
    const correlation = intraGroupCorrelation(zScores);
    return {
      state,
      samples,
      statistics: { zeroSpreadGroups, selectedBest, selectedWorst, intraGroupCorrelation: correlation },
    };
  };
}

export const historyRuleSpec = defineAdvantageRule({
  name: 'history',
  summary:
    'B²-DiffuRL as released: z-score over the prompt and its history; of each group the best and the worst branch, where they pass their thresholds.',
  fields: {
    historyRounds: historyRoundsField,
    bestThreshold: number({ from: '(-Infinity', to: 'Infinity)' })
      .default(0.5)
      .describe(
        'The best branch is kept when its z >= this. Higher keeps fewer, clearer samples. Not below worstThreshold.',
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
