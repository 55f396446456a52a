import type { PromptMetadata } from '../../prompt-metadata.js';

/** A prompt as a file lists it. */
export interface ListedPrompt {
  readonly prompt: string;
  /** Above 0: prompts are drawn in proportion to it. 1 where the file says nothing. */
  readonly weight: number;
  /** Every other key or column; absent where there is none. */
  readonly metadata?: PromptMetadata;
}
