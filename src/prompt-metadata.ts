/** @file Data that comes with a prompt, from a file or from whoever sends it, for reward sources to read. */

type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Any JSON object, such as `{ "answer": "blue", "count": 3 }`. Reward modules and services receive all of it. */
export type PromptMetadata = { readonly [key: string]: JsonValue };

/** Largest size of its JSON in UTF-8 bytes: it travels in every message of its group. */
const LARGEST_METADATA = 16_384;
/** As long as a prompt may be. */
const LONGEST_NEGATIVE = 4000;

/** Returns why metadata is rejected; null if it is accepted. */
export function metadataFault(metadata: unknown): { readonly expected: string; readonly got: string } | null {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    return { expected: 'a JSON object', got: Array.isArray(metadata) ? 'a list' : typeof metadata };
  const negative = writtenNegative(metadata as PromptMetadata);
  if (typeof negative !== 'string' || negative.length > LONGEST_NEGATIVE)
    return {
      expected: `a negativePrompt that is a text of at most ${LONGEST_NEGATIVE} characters`,
      got: typeof negative === 'string' ? `one of ${negative.length}` : JSON.stringify(negative).slice(0, 60),
    };
  const bytes = new TextEncoder().encode(JSON.stringify(metadata)).length;
  return bytes > LARGEST_METADATA
    ? { expected: `a JSON object of at most ${LARGEST_METADATA} bytes`, got: `one of ${bytes}` }
    : null;
}

/** The negative prompt, under our name or that of diffusers; empty if there is none. */
const writtenNegative = ({ negativePrompt, negative_prompt: ofDiffusers }: PromptMetadata): unknown =>
  negativePrompt ?? ofDiffusers ?? '';

/** Returns `{ negativePrompt }` of a prompt that has one of its own, else `{}`. */
export function negativePart(metadata: PromptMetadata | undefined): { readonly negativePrompt?: string } {
  const negative = metadata && writtenNegative(metadata);
  return typeof negative === 'string' && negative.trim() !== '' ? { negativePrompt: negative.trim() } : {};
}

/** A size in pixels. A side that is missing, or no number, is NaN. */
export interface AskedSize {
  readonly width: number;
  readonly height: number;
}

/** Returns `{ size }` of a prompt that asks for one by `width` and `height`, numbers or, as in a table, text; else `{}`. */
export function sizePart(metadata: PromptMetadata | undefined): { readonly size?: AskedSize } {
  const [width = '', height = ''] = [metadata?.width ?? '', metadata?.height ?? ''];
  if (width === '' && height === '') return {};
  const side = (value: JsonValue) => Number(value === '' ? Number.NaN : value);
  return { size: { width: side(width), height: side(height) } };
}

/** Returns `{ metadata }`, or `{}` if there is none. */
export function metadataPart(metadata: PromptMetadata | undefined): { readonly metadata?: PromptMetadata } {
  return metadata !== undefined && Object.keys(metadata).length > 0 ? { metadata } : {};
}
