import { randomUUID } from 'node:crypto';
import { JsonFault, parseExactJson } from '../../../models/files/exact-json.js';
import type { PromptMetadata } from '../../../prompt-metadata.js';
import { serverProblem } from '../../../server/problem.js';
import { type IncomingPrompt, incomingFault } from '../../messages/prompts.js';

const SHAPE =
  'expected {"prompt": "..."} with an optional "id" and "metadata", or {"prompts": ["...", ...]} with optional "ids" and "metadata" of the same number';

/**
 * Reads the body of a request: one prompt or several. Prompts without an id get one.
 *
 * @param faultOf returns why a prompt is refused; null if it is not. Default: `incomingFault`.
 *
 * Errors: the problems invalid-json and invalid-request, naming the place.
 */
export function readPromptsRequest(
  text: string,
  faultOf: (prompt: IncomingPrompt) => string | null = incomingFault,
): IncomingPrompt[] {
  const body = parse(text);
  const known = 'prompts' in body ? ['prompts', 'ids', 'metadata'] : ['prompt', 'id', 'metadata'];
  const unknown = Object.keys(body).find((key) => !known.includes(key));
  if (unknown !== undefined) throw shapeFault(`an unknown "${unknown.slice(0, 40)}"`);
  const several = 'prompts' in body;
  const prompts = several ? body.prompts : [body.prompt];
  const ids = several ? body.ids : body.id === undefined ? undefined : [body.id];
  if (!isTexts(prompts) || prompts.length === 0)
    throw shapeFault(several ? 'other "prompts"' : 'no "prompt" of text');
  if (ids !== undefined && !(isTexts(ids) && ids.length === prompts.length))
    throw shapeFault(several ? 'other "ids"' : 'an "id" that is no text');
  const metadata = several ? (body.metadata ?? []) : [body.metadata];
  if (!Array.isArray(metadata) || (several && metadata.length > 0 && metadata.length !== prompts.length))
    throw shapeFault('other "metadata"');
  const read = prompts.map((prompt, index) => ({
    id: ids?.[index] ?? randomUUID(),
    prompt: prompt.trim(),
    // Checked below, with the rest of the prompt.
    ...(metadata[index] !== undefined &&
      metadata[index] !== null && { metadata: metadata[index] as PromptMetadata }),
  }));
  for (const [index, prompt] of read.entries()) {
    const fault = faultOf(prompt);
    if (fault !== null)
      throw serverProblem('invalid-request', `${several ? `prompts[${index}]` : 'prompt'}: ${fault}`);
  }
  requireDistinct(read);
  return read;
}

function parse(text: string): Record<string, unknown> {
  let body: unknown;
  try {
    body = parseExactJson(text);
  } catch (error) {
    if (error instanceof JsonFault && !error.isSyntax) throw serverProblem('invalid-json', error.message);
    throw serverProblem('invalid-json', `${SHAPE}, got no JSON`);
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body))
    return body as Record<string, unknown>;
  throw shapeFault('another value');
}

/** Two different prompts with one id would count as one. */
function requireDistinct(prompts: readonly IncomingPrompt[]): void {
  const seen = new Map<string, string>();
  for (const { id, prompt } of prompts) {
    const other = seen.get(id);
    if (other !== undefined && other !== prompt)
      throw serverProblem(
        'invalid-request',
        `expected one prompt per id, got two with ${JSON.stringify(id)}`,
      );
    seen.set(id, prompt);
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

const shapeFault = (got: string) => serverProblem('invalid-request', `${SHAPE}, got ${got}`);
