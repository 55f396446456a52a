import { JsonFault, parseExactJson } from '../../../models/files/exact-json.js';
import { metadataFault, metadataPart, type PromptMetadata } from '../../../prompt-metadata.js';
import { MessageFault } from './message-codec.js';

/** Metadata as a field of a message: JSON, or absent if empty. */
export function metadataToWire(metadata: PromptMetadata | undefined): { readonly metadata?: string } {
  const part = metadataPart(metadata);
  return part.metadata ? { metadata: JSON.stringify(part.metadata) } : {};
}

/** Throws `MessageFault` if it is no JSON object, or too large. */
export function metadataFromWire(
  json: string | undefined,
  path: string,
): { readonly metadata?: PromptMetadata } {
  if (json === undefined || json === '') return {};
  const metadata = parsed(json, path);
  const fault = metadataFault(metadata);
  if (fault) throw new MessageFault(path, fault.expected, fault.got);
  return metadataPart(metadata as PromptMetadata);
}

function parsed(json: string, path: string): unknown {
  try {
    return parseExactJson(json);
  } catch (cause) {
    if (cause instanceof JsonFault) throw new MessageFault(path, cause.expected, cause.got);
    throw cause;
  }
}
