import type { TopicName } from '../../messages/topics.js';

type Value = Readonly<Record<string, unknown>>;

/** Returns why a value cannot be made a message of a kind, as a phrase `expected ..., got ...`; null if it can. */
export function inputFault(kind: TopicName, value: Value): string | null {
  if (kind === 'progress') return isCount(value.round) ? null : `expected a round, got ${said(value.round)}`;
  if (kind === 'incoming-prompts')
    return typeof value.prompt === 'string' ? null : `expected a prompt of text, got ${said(value.prompt)}`;
  if (typeof value.group !== 'string' || !/^\d{1,9}-\d{1,9}$/.test(value.group))
    return `expected a group such as 0-3, got ${said(value.group)}`;
  if (kind !== 'rewards' || value.reason !== undefined) return null;
  const isList = Array.isArray(value.rewards) && value.rewards.every((reward) => typeof reward === 'number');
  return isList
    ? null
    : `expected rewards, a list of numbers, or the reason of a loss, got ${said(value.rewards)}`;
}

const isCount = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0;

const said = (value: unknown): string => JSON.stringify(value) ?? 'nothing';
