import type { GoldSettings, ScoringSettings } from '../../config/resolved/reward-parts.js';

/** Those of a scorer in this process: one that it scores, and the next, so that it need not wait for that. */
const OWN_AT_ONCE = 2;

/** Returns how many groups may be with the scorer at once. Memory: their pictures. */
export const groupsAtOnce = (source: ScoringSettings | GoldSettings): number =>
  'concurrency' in source ? source.concurrency : OWN_AT_ONCE;
