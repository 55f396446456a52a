/** @file What every tokenizer of a pipeline does. */

/** Turns prompts into the token ids that a pipeline's text encoder takes. */
export interface Tokenizer {
  /** Ids of a prompt, padding included. */
  readonly modelMaxLength: number;
  /** Number of ids; each id is below it. */
  readonly vocabSize: number;
  readonly padTokenId: number;
  /** Ids of the tokens that are added to the vocabulary (special ones, textual inversions), by text. */
  readonly addedTokens: ReadonlyMap<string, number>;
  /**
   * Returns `[modelMaxLength] int32`: bos, the ids of the words, eos, padding. The empty prompt is bos, eos, padding:
   * the unconditional one of classifier-free guidance. Upper case and extra blanks do not matter.
   *
   * Errors: TRIB_PROMPT for words that the tokenizer does not know, and for a text that is too long.
   */
  encode(text: string): Int32Array;
  /**
   * The same tokenizer with textual inversions, whose tokens get the next free ids in order: `<cat>`, `<cat>_1`, ...
   *
   * Errors: TRIB_MODEL if one of these tokens is there, if it has more vectors than a prompt has room for, or if the tokenizer
   * takes none.
   */
  withTokens(inversions: readonly TokenVectors[]): Tokenizer;
}

/** A token that stands for vectors of a text encoder, one after the other. */
export interface TokenVectors {
  readonly token: string;
  readonly count: number;
  /** The file of the vectors, for messages. */
  readonly path: string;
}
