/** @file Messages of a test, as the config writes them and as they travel. */

import { treeWidths } from '../../models/rollouts/fork-plans.js';
import type { Trajectory } from '../../models/rollouts/sampler.js';
import { elementCount } from '../../models/tensor.js';
import type { PromptTicket, RolloutGroup, TrainingInterval } from '../../operators/index.js';
import { progressAt } from '../config/resolved/progress-at.js';
import { stageOf } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { TrainableRound } from '../messages/messages.js';
import type { TopicName } from '../messages/topics.js';
import type { Headers } from '../transport/contract/transport.js';

export type Fields = Readonly<Record<string, unknown>>;

/** A message, with the key that it travels under. */
export interface KeyedMessage {
  readonly key: string;
  readonly message: unknown;
}

interface Surroundings {
  readonly config: ResolvedConfig;
  /** Stands for what the message does not say: its letter. */
  readonly letter: string;
  /** The interval that is trained. */
  readonly interval: TrainingInterval;
}

/** Makes the message that a value stands for: what the value leaves out is made up. Lint has checked it. */
export function messageOf(
  kind: TopicName,
  value: Fields,
  { config, letter, interval }: Surroundings,
): KeyedMessage {
  if (kind === 'progress') return { key: 'run', message: progressAt(config, Number(value.round)) };
  if (kind === 'incoming-prompts') {
    const message = { id: letter, ...value };
    return { key: String(message.id), message };
  }
  const { group, ...fields } = value;
  const groupId = String(group);
  const [round = 0, index = 0] = groupId.split('-').map(Number);
  const key = groupId;
  if (kind === 'rewards') {
    const detail = 'reason' in fields ? { detail: 'in a test' } : {};
    return { key, message: { groupId, round, ...detail, ...fields } };
  }
  const { groupsPerRound } = stageOf(config, 'prompts');
  const ticket: PromptTicket = {
    groupId,
    groupIndex: round * groupsPerRound + index,
    round,
    prompt: 'a prompt',
    ...fields,
  };
  if (kind === 'prompts') return { key, message: ticket };
  const made = kind === 'images' ? new Float32Array(3) : pathOf(interval);
  const shape = kind === 'images' ? { imageShape: [3, 1, 1] } : {};
  return { key, message: { ...rolloutsOf(config, ticket, interval, made), ...shape } };
}

/** [C, H, W] of the latents of a test, named as where pictures have several sizes: a config may say so. */
export const LATENT_SHAPE = [1, 1, 1] as const;

function pathOf({ firstStep, numSteps }: TrainingInterval): Trajectory {
  const steps = numSteps - firstStep;
  const latents = new Float32Array((steps + 1) * elementCount(LATENT_SHAPE));
  return { firstStep, latents, logProbs: new Float32Array(steps), latentShape: LATENT_SHAPE };
}

function rolloutsOf<Branch>(
  config: ResolvedConfig,
  ticket: PromptTicket,
  interval: TrainingInterval,
  branch: Branch,
): RolloutGroup<Branch> {
  const { firstStep, trainedSteps, numSteps } = interval;
  const widths = treeWidths(stageOf(config, 'sampler'), trainedSteps, numSteps).slice(firstStep);
  const branches = Array.from({ length: widths.at(-1) ?? 1 }, () => branch);
  return { ...ticket, interval, tree: { firstStep, widths }, policyVersion: ticket.round, branches };
}

/**
 * Returns a message as a config would write it. Of a round, that is its figures and the advantages of each group, in the order
 * of its branches, null for those that are not trained on.
 */
export function fieldsOf(kind: TopicName, message: object, headers: Headers): Fields {
  const { groupId, ...fields } = message as Fields & { readonly groupId?: string };
  const group = groupId === undefined ? {} : { group: groupId };
  if (kind === 'dead-letters') return { ...group, ...fields, ...headers };
  if (kind !== 'batches') return { ...group, ...fields };
  const { round, groupIds, batch } = message as TrainableRound;
  const advantages = Object.fromEntries(
    groupIds.map((id) => {
      const found = Array.from(
        { length: batch.statistics.rewards / groupIds.length },
        () => null as number | null,
      );
      for (const sample of batch.samples) if (sample.groupId === id) found[sample.branch] = sample.advantage;
      return [id, found];
    }),
  );
  return { round, advantages, ...batch.statistics };
}
