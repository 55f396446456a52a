/** What a guard may do when its threshold is crossed. */
export const GUARD_ACTIONS = ['off', 'warn', 'lower-learning-rate', 'stop'] as const;

export type GuardAction = (typeof GUARD_ACTIONS)[number];
