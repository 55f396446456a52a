/** Past rewards of one prompt. */
interface PromptRewards {
  readonly prompt: string;
  /** In the order in which they were drawn. */
  readonly rewards: readonly number[];
}

/** The memory of an advantage rule between rounds: a plain value that a checkpoint stores as JSON. */
export interface AdvantageHistory {
  /**
   * Oldest first, each with its prompts in the order in which they first appeared. The history rules keep one entry per
   * round, empty if the round had no group. The per-prompt rule keeps its queues in a single one.
   */
  readonly rounds: readonly (readonly PromptRewards[])[];
}

/** Returns the history of a run that has not begun. */
export function createHistory(): AdvantageHistory {
  return { rounds: [] };
}

/** Returns an entry of the history as a map from the prompt to its rewards. */
export function rewardsByPrompt(entry: readonly PromptRewards[]): Map<string, readonly number[]> {
  return new Map(entry.map(({ prompt, rewards }) => [prompt, rewards]));
}

/** Returns the entry of a history that holds these rewards. Prompts keep the order of the map. */
export function historyEntry(rewards: ReadonlyMap<string, readonly number[]>): PromptRewards[] {
  return Array.from(rewards, ([prompt, values]) => ({ prompt, rewards: values }));
}
