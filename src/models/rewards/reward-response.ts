/** @file What a reward service answers, and in which words it is refused. docs/rewards.md is its other side. */
import type { ResponseFault } from './json-service.js';

export interface RewardResponse {
  readonly rewards: readonly number[];
  readonly embeddings?: readonly (readonly number[])[] | undefined;
}

/**
 * Reads an answer about `count` pictures; returns what is wrong with it where something is. Only the first fault is looked for:
 * an answer of millions of wrong values costs no more than one of them.
 * @param quote Makes what is quoted of it fit for a message.
 */
export function readRewardResponse(
  text: string,
  count: number,
  quote: (text: string) => string,
): RewardResponse | ResponseFault {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { expected: 'JSON', got: quote(text) };
  }
  const fault = faultOf(value, count);
  if (fault) return { expected: fault.expected, got: fault.got ?? quote(jsonOf(fault.found)) };
  const { rewards, embeddings } = value as RewardResponse;
  return { rewards, embeddings };
}

/** What was expected where; and what came, in words of its own or as it was found. */
interface Fault {
  readonly expected: string;
  readonly found?: unknown;
  readonly got?: string;
}

function faultOf(value: unknown, count: number): Fault | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { expected: 'a mapping with `rewards`', found: value };
  const { rewards, embeddings } = value as Readonly<Record<string, unknown>>;
  const fault =
    countFault('rewards', 'a list of numbers', rewards, count) ?? numbersFault('rewards', rewards);
  if (fault || embeddings === undefined) return fault;
  const unfit = countFault('embeddings', 'a list of lists of numbers', embeddings, count);
  if (unfit) return unfit;
  for (const [index, row] of (embeddings as readonly unknown[]).entries()) {
    const place = `embeddings[${index}]`;
    if (!Array.isArray(row)) return { expected: `a list of numbers at ${place}`, found: row };
    if (row.length === 0) return { expected: `at least one number at ${place}`, found: row };
    const wrong = numbersFault(place, row);
    if (wrong) return wrong;
  }
  return null;
}

function countFault(name: string, what: string, list: unknown, count: number): Fault | null {
  if (!Array.isArray(list)) return { expected: `${what} at ${name}`, found: list };
  if (list.length === count) return null;
  return { expected: `${count} ${name}, one a picture`, got: String(list.length) };
}

function numbersFault(place: string, list: unknown): Fault | null {
  const values = list as readonly unknown[];
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  return wrong < 0 ? null : { expected: `a finite number at ${place}[${wrong}]`, found: values[wrong] };
}

/** A value as JSON again, where it is not nested too deeply for that; empty where there is none. */
function jsonOf(found: unknown): string {
  try {
    return JSON.stringify(found) ?? '';
  } catch {
    return 'a deeply nested value';
  }
}
