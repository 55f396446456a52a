/** @file The guards by their names in a config. A new one is a file beside this one and a line here; the config follows. */

import { diversityLoss } from './diversity-loss.js';
import type { GuardSpec } from './guard-spec.js';
import { klToPretrained } from './kl-to-pretrained.js';
import { ratioDrift } from './ratio-drift.js';
import { rewardCollapse } from './reward-collapse.js';
import { rewardVerifierDivergence } from './reward-verifier-divergence.js';
import { zeroSpreadGroups } from './zero-spread-groups.js';

export const GUARDS = {
  rewardCollapse,
  ratioDrift,
  klToPretrained,
  zeroSpreadGroups,
  diversityLoss,
  rewardVerifierDivergence,
} as const satisfies Readonly<Record<string, GuardSpec>>;

export type GuardName = keyof typeof GUARDS;

export const GUARD_NAMES = Object.keys(GUARDS) as GuardName[];
