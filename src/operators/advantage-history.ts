/** The past rewards of one prompt. */
export interface PromptHistory {
  readonly prompt: string;
  /** Oldest first. The history rules keep one list a training stage; the per-prompt rule keeps a single list. */
  readonly scores: readonly (readonly number[])[];
}

/** What an advantage rule remembers between training stages: a plain value that a checkpoint stores as JSON. */
export interface AdvantageHistory {
  /** In the order in which the prompts first appeared. */
  readonly prompts: readonly PromptHistory[];
}

/** Returns the memory of a run that has not begun. */
export function createHistory(): AdvantageHistory {
  return { prompts: [] };
}

/** Returns the history as a map from the prompt to its past scores. */
export function scoresByPrompt(history: AdvantageHistory): Map<string, readonly (readonly number[])[]> {
  return new Map(history.prompts.map(({ prompt, scores }) => [prompt, scores]));
}

/** Returns the history that holds these scores. Prompts keep the order of the map. */
export function historyOf(scores: ReadonlyMap<string, readonly (readonly number[])[]>): AdvantageHistory {
  return { prompts: Array.from(scores, ([prompt, lists]) => ({ prompt, scores: lists })) };
}
