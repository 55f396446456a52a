/** @file The history of the advantage rule in a checkpoint, in the form of today and in the one before. */

import { z } from 'zod';
import { TributaryError } from '../../errors.js';
import type { AdvantageHistory, AdvantageRuleName } from '../../operators/index.js';

/** Today's form: rewards by round. */
const byRound = z.object({
  rounds: z.array(z.array(z.object({ prompt: z.string(), rewards: z.array(z.number()) }))),
});
/** The form before, which did not say which round a list belongs to. */
const byPrompt = z.object({
  prompts: z.array(z.object({ prompt: z.string(), scores: z.array(z.array(z.number())) })),
});

export const savedHistorySchema = z.union([byRound, byPrompt]);

/** Where a saved history stands, and what can still be used where it cannot be read. */
export interface SavedHistoryPlace {
  /** Path of the file that holds it. */
  readonly path: string;
  /** Path of the policy beside it. */
  readonly policyPath: string;
}

/**
 * Returns a saved history in today's form. The former form is read where nothing is missing in it: it holds nothing, or
 * the queues of the per-prompt rule, which know no rounds.
 *
 * **Errors**: TRIB_CHECKPOINT for the former form of a rule that counts rounds.
 */
export function restoreHistory(
  saved: z.output<typeof savedHistorySchema>,
  rule: AdvantageRuleName,
  { path, policyPath }: SavedHistoryPlace,
): AdvantageHistory {
  if ('rounds' in saved) return saved;
  if (saved.prompts.length === 0) return { rounds: [] };
  if (rule === 'per-prompt') {
    return { rounds: [saved.prompts.map(({ prompt, scores }) => ({ prompt, rewards: scores.flat() }))] };
  }
  throw new TributaryError(
    'TRIB_CHECKPOINT',
    `${path}: expected \`history.rounds\`, past rewards by round, for rule ${rule}; got \`history.prompts\` of an earlier version, which does not say which round a reward is from. Finish the run with the version that began it, or start a new one from its policy, for an adapter with --set model.startFrom=${policyPath} --run-dir <a new folder>.`,
  );
}
