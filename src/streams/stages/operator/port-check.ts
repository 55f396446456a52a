import { metadataFault } from '../../../prompt-metadata.js';
import type { TopicMessages } from '../../messages/messages.js';
import { incomingFault } from '../../messages/prompts.js';
import type { TopicName } from '../../messages/topics.js';

/** Topics whose messages an operator stage may be given. */
export type OperableTopic = 'incoming-prompts' | 'prompts' | 'images' | 'trajectories' | 'rewards';

/** A message of any of them. */
export type OperableMessage = TopicMessages[OperableTopic];

type Fields = Readonly<Record<string, unknown>>;

/**
 * Returns a check that what an operator emits may stand for the message that it was given: it is a message of the same kind,
 * for the same prompt or group, with as many branches. The phrase says `expected ..., got ...`; null if nothing is wrong.
 */
export function portCheck(kind: TopicName): (output: unknown, input: OperableMessage) => string | null {
  return (output, input) => {
    if (typeof output !== 'object' || output === null || Array.isArray(output))
      return `expected a message of the topic, got ${Array.isArray(output) ? 'a list' : typeof output}`;
    const given = input as unknown as Fields;
    const made = output as Fields;
    const changed = fixedFields(kind).find((field) => made[field] !== given[field]);
    if (changed !== undefined)
      return `expected ${changed} ${written(given[changed])} as in its message, got ${written(made[changed])}`;
    switch (kind) {
      case 'incoming-prompts':
        return typeof made.prompt === 'string'
          ? incomingFault(made as unknown as TopicMessages['incoming-prompts'])
          : `expected a prompt of text, got ${typeof made.prompt}`;
      case 'prompts':
        return ticketFault(made);
      case 'rewards':
        return rewardsFault(made, given);
      default:
        return branchesFault(made, given);
    }
  };
}

/** What tells messages apart may not change: the run counts by it. */
const fixedFields = (kind: TopicName): readonly string[] =>
  kind === 'incoming-prompts'
    ? ['id']
    : kind === 'rewards'
      ? ['groupId', 'round']
      : kind === 'prompts'
        ? ['groupId', 'round', 'groupIndex', 'sourceId']
        : ['groupId', 'round', 'groupIndex', 'prompt', 'policyVersion', 'interval', 'tree', 'imageShape'];

function ticketFault({ prompt, metadata }: Fields): string | null {
  if (typeof prompt !== 'string' || prompt.trim() === '') return `expected a prompt, got ${written(prompt)}`;
  const fault = metadata === undefined ? null : metadataFault(metadata);
  return fault && `expected metadata to be ${fault.expected}, got ${fault.got}`;
}

function rewardsFault({ rewards }: Fields, { rewards: before }: Fields): string | null {
  const count = Array.isArray(before) ? before.length : 0;
  if (!Array.isArray(rewards) || rewards.length !== count)
    return `expected ${count} rewards, got ${Array.isArray(rewards) ? rewards.length : typeof rewards}`;
  const wrong = rewards.find((reward) => typeof reward !== 'number' || !Number.isFinite(reward));
  return wrong === undefined ? null : `expected finite rewards, got ${written(wrong)}`;
}

/** Pictures, each an array of numbers as long as before, or trajectories. */
function branchesFault({ branches }: Fields, { branches: before }: Fields): string | null {
  const count = Array.isArray(before) ? before.length : 0;
  if (!Array.isArray(branches) || branches.length !== count)
    return `expected ${count} branches, got ${Array.isArray(branches) ? branches.length : typeof branches}`;
  const sizeOf = (branch: unknown) => (branch instanceof Float32Array ? branch.length : typeof branch);
  const odd = branches.findIndex((branch, index) => sizeOf(branch) !== sizeOf((before as unknown[])[index]));
  return odd < 0
    ? null
    : `expected branch ${odd} of ${sizeOf((before as unknown[])[odd])} numbers, got ${sizeOf(branches[odd])}`;
}

function written(value: unknown): string {
  return value === undefined ? 'nothing' : (JSON.stringify(value)?.slice(0, 80) ?? typeof value);
}
