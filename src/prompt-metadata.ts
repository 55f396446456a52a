/** @file Data that comes with a prompt, from a file or from whoever sends it, for reward sources to read. */

type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Any JSON object, such as `{ "answer": "blue", "count": 3 }`. Only reward modules and services receive it. */
export type PromptMetadata = { readonly [key: string]: JsonValue };

/** Largest size of its JSON in UTF-8 bytes: it travels in every message of its group. */
const LARGEST_METADATA = 16_384;

/** Returns why metadata is rejected; null if it is accepted. */
export function metadataFault(metadata: unknown): { readonly expected: string; readonly got: string } | null {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    return { expected: 'a JSON object', got: Array.isArray(metadata) ? 'a list' : typeof metadata };
  const bytes = new TextEncoder().encode(JSON.stringify(metadata)).length;
  return bytes > LARGEST_METADATA
    ? { expected: `a JSON object of at most ${LARGEST_METADATA} bytes`, got: `one of ${bytes}` }
    : null;
}

/** Returns `{ metadata }`, or `{}` if there is none. */
export function metadataPart(metadata: PromptMetadata | undefined): { readonly metadata?: PromptMetadata } {
  return metadata !== undefined && Object.keys(metadata).length > 0 ? { metadata } : {};
}
