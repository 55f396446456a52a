/** @file What a reward service answers, and in which words it is refused. docs/rewards.md is its other side. */
import { z } from 'zod';
import type { ResponseFault } from './json-service.js';

const finite = (what: string) => z.number({ error: what });
const listOf = <Item extends z.ZodType>(item: Item, what: string) => z.array(item, { error: what });

const responseSchema = z.object(
  {
    rewards: listOf(finite('a finite number'), 'a list of numbers'),
    embeddings: listOf(
      listOf(finite('a finite number'), 'a list of numbers').min(1, { error: 'at least one number' }),
      'a list of lists of numbers',
    ).optional(),
  },
  { error: 'a mapping with `rewards`' },
);

export type RewardResponse = z.output<typeof responseSchema>;

/**
 * Reads an answer about `count` pictures; returns what is wrong with it where something is.
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
  const parsed = responseSchema.safeParse(value);
  const issue = parsed.error?.issues[0];
  if (issue)
    return { expected: `${issue.message}${placeOf(issue.path)}`, got: quote(jsonAt(value, issue.path)) };
  const { rewards, embeddings } = parsed.data as RewardResponse;
  if (rewards.length !== count) return wrongCount('rewards', rewards, count);
  if (embeddings !== undefined && embeddings.length !== count)
    return wrongCount('embeddings', embeddings, count);
  return { rewards, embeddings };
}

function wrongCount(name: string, values: readonly unknown[], count: number): ResponseFault {
  return { expected: `${count} ${name}, one a picture`, got: String(values.length) };
}

/** ` at rewards[2]`, or nothing for the whole. */
function placeOf(path: readonly PropertyKey[]): string {
  const [first, ...rest] = path;
  return first === undefined ? '' : ` at ${String(first)}${rest.map((part) => `[${String(part)}]`).join('')}`;
}

/** What stands at a path, as JSON; empty where nothing does. */
function jsonAt(value: unknown, path: readonly PropertyKey[]): string {
  const found = path.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown>)[part], value);
  return found === undefined ? '' : JSON.stringify(found);
}
