/** @file What is said of a prompt besides its words: a file, or whoever sends it, says it, and reward sources read it. */

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Any JSON object, such as `{ "answer": "blue", "count": 3 }`. It reaches reward modules and services, and nothing else. */
export type PromptMetadata = { readonly [key: string]: JsonValue };

/** UTF-8 bytes of its JSON at most: it travels in every message of its group. */
export const LARGEST_METADATA = 16_384;

/** Returns why metadata is not taken; null where it is. */
export function metadataFault(metadata: unknown): { readonly expected: string; readonly got: string } | null {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    return { expected: 'a JSON object', got: Array.isArray(metadata) ? 'a list' : typeof metadata };
  const bytes = new TextEncoder().encode(JSON.stringify(metadata)).length;
  return bytes > LARGEST_METADATA
    ? { expected: `a JSON object of at most ${LARGEST_METADATA} bytes`, got: `one of ${bytes}` }
    : null;
}

/** The same, or nothing where it says nothing. */
export function metadataPart(metadata: PromptMetadata | undefined): { readonly metadata?: PromptMetadata } {
  return metadata !== undefined && Object.keys(metadata).length > 0 ? { metadata } : {};
}
