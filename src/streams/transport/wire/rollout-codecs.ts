/** @file Prompts, tickets, intervals, and the pictures and trajectories of a group, which share a header. */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { at } from '../../../at.js';
import type { Trajectory } from '../../../models/rollouts/sampler.js';
import type { PromptTicket, RolloutGroup, TrainingInterval } from '../../../operators/index.js';
import { leafCount, pathDepth, type RolloutTree } from '../../../rollout-tree.js';
import type { PictureGroup } from '../../messages/messages.js';
import type { IncomingPrompt } from '../../messages/prompts.js';
import { MessageFault, messageCodec, requireField, requirePart } from './message-codec.js';
import { metadataFromWire, metadataToWire } from './metadata-wire.js';
import { tensorFromWire, tensorToWire } from './tensor-wire.js';
import {
  GroupImagesSchema,
  type GroupTrajectories,
  GroupTrajectoriesSchema,
  IncomingPromptSchema,
  PromptTicketSchema,
  type PromptTicket as PromptTicketWire,
  type RolloutSchema,
  type RolloutTree as RolloutTreeWire,
  type Rollout as RolloutWire,
  TrainingIntervalSchema,
  type TrainingInterval as TrainingIntervalWire,
  type Trajectory as TrajectoryWire,
} from './tributary_pb.js';

/** Bounds on what a message may claim, far above what a config allows. */
const MOST_STEPS = 1000;
const MOST_BRANCHES = 4096;

export const ticketCodec = messageCodec({
  kind: 'prompt ticket',
  schema: PromptTicketSchema,
  toWire: ticketToWire,
  fromWire: (wire) => ticketFromWire(wire, 'ticket'),
});

export const intervalCodec = messageCodec({
  kind: 'training interval',
  schema: TrainingIntervalSchema,
  toWire: intervalToWire,
  fromWire: (wire) => intervalFromWire(wire, 'interval'),
});

export const imagesCodec = messageCodec({
  kind: 'group images',
  schema: GroupImagesSchema,
  toWire: (group: PictureGroup) => ({
    rollout: rolloutToWire(group),
    images: group.branches.map((image) => tensorToWire(image, group.imageShape)),
  }),
  fromWire: ({ rollout, images }) => {
    const tensors = images.map((image, branch) => tensorFromWire(image, `images[${branch}]`));
    const head = rolloutFromWire(rollout, tensors.length);
    const first = at(tensors, 0).shape;
    const isPicture = first.length === 3 && !first.includes(0);
    const other = isPicture ? tensors.findIndex(({ shape }) => shape.join() !== first.join()) : 0;
    requireField(
      other < 0,
      `images[${other}].shape`,
      other === 0 ? '[channels, height, width]' : `[${first.join(', ')}], as of the first`,
      `[${tensors[other]?.shape.join(', ')}]`,
    );
    const imageShape = first as PictureGroup['imageShape'];
    return { ...head, imageShape, branches: tensors.map(({ values }) => values) };
  },
});

export const trajectoriesCodec = messageCodec({
  kind: 'group trajectories',
  schema: GroupTrajectoriesSchema,
  toWire: trajectoriesToWire,
  fromWire: trajectoriesFromWire,
});

export function trajectoriesToWire(
  group: RolloutGroup<Trajectory>,
): MessageInitShape<typeof GroupTrajectoriesSchema> {
  return {
    rollout: rolloutToWire(group),
    trajectories: group.branches.map(({ firstStep, latents, logProbs, latentShape }) => {
      const nodes = logProbs.length + 1;
      return {
        firstStep,
        latents: tensorToWire(latents, [nodes, ...(latentShape ?? [latents.length / nodes])]),
        logProbs: tensorToWire(logProbs),
      };
    }),
  };
}

/** Throws `MessageFault`. */
export function trajectoriesFromWire({
  rollout,
  trajectories,
}: Pick<GroupTrajectories, 'rollout' | 'trajectories'>): RolloutGroup<Trajectory> {
  const head = rolloutFromWire(rollout, trajectories.length);
  const sized = trajectories.map((wire, leaf) => trajectoryFromWire(wire, head.tree, leaf));
  const shape = at(sized, 0).latents.join(' x ');
  const other = sized.findIndex(({ latents }) => latents.join(' x ') !== shape);
  requireField(
    other < 0,
    `trajectories[${other}].latents`,
    `latents of ${shape} numbers, as in the first`,
    sized[other]?.latents.join(' x '),
  );
  return { ...head, branches: sized.map(({ trajectory }) => trajectory) };
}

function trajectoryFromWire(wire: TrajectoryWire, tree: RolloutTree, leaf: number) {
  const path = `trajectories[${leaf}]`;
  const depth = pathDepth(tree, leaf);
  const steps = tree.widths.length - 1 - depth;
  const firstStep = tree.firstStep + depth;
  const latents = tensorFromWire(wire.latents, `${path}.latents`);
  const { values: logProbs } = tensorFromWire(wire.logProbs, `${path}.log_probs`);
  requireField(
    wire.firstStep === firstStep,
    `${path}.first_step`,
    `${firstStep} by the tree`,
    wire.firstStep,
  );
  requireField(logProbs.length === steps, `${path}.log_probs`, `${steps} steps by the tree`, logProbs.length);
  const [nodes, ...shape] = latents.shape;
  const [channels, height, width] = shape;
  requireField(
    nodes === steps + 1 && (shape.length === 1 || shape.length === 3) && !shape.includes(0),
    `${path}.latents.shape`,
    `[${steps + 1}, size of a latent] or [${steps + 1}, channels, height, width]`,
    `[${latents.shape.join(', ')}]`,
  );
  const latentShape = width ? ([channels ?? 0, height ?? 0, width] as const) : undefined;
  const trajectory: Trajectory = {
    ...{ firstStep, latents: latents.values, logProbs },
    ...(latentShape && { latentShape }),
  };
  return { latents: shape, trajectory };
}

function rolloutToWire(group: RolloutGroup<unknown>): MessageInitShape<typeof RolloutSchema> {
  const { interval, tree, policyVersion, noiseIndex } = group;
  return {
    ticket: ticketToWire(group),
    interval: intervalToWire(interval),
    tree: { firstStep: tree.firstStep, widths: [...tree.widths] },
    policyVersion,
    ...(noiseIndex !== undefined && { noiseIndex }),
  };
}

function rolloutFromWire(
  wire: RolloutWire | undefined,
  branches: number,
): Omit<RolloutGroup<never>, 'branches'> {
  const rollout = requirePart(wire, 'rollout');
  requireField(branches > 0 && branches <= MOST_BRANCHES, 'branches', `1 to ${MOST_BRANCHES}`, branches);
  const interval = intervalFromWire(rollout.interval, 'rollout.interval');
  const tree = treeFromWire(rollout.tree, interval);
  requireField(
    leafCount(tree) === branches,
    'rollout.tree.widths',
    `${branches} leaves, one a branch`,
    leafCount(tree),
  );
  return {
    ...ticketFromWire(rollout.ticket, 'rollout.ticket'),
    interval,
    tree,
    policyVersion: rollout.policyVersion,
    ...(rollout.noiseIndex !== undefined && { noiseIndex: rollout.noiseIndex }),
  };
}

function ticketToWire({ groupId, groupIndex, round, prompt, metadata, sourceId }: PromptTicket) {
  const source = sourceId !== undefined && { sourceId };
  return { groupId, groupIndex, round, prompt, ...metadataToWire(metadata), ...source };
}

function ticketFromWire(wire: PromptTicketWire | undefined, path: string): PromptTicket {
  const { groupId, groupIndex, round, prompt, metadata, sourceId } = requirePart(wire, path);
  requireField(groupId !== '', `${path}.group_id`, 'a group id', '""');
  return {
    groupId,
    groupIndex,
    round,
    prompt,
    ...metadataFromWire(metadata, `${path}.metadata`),
    ...(sourceId !== undefined && { sourceId }),
  };
}

function intervalToWire({ round, numSteps, trainedSteps }: TrainingInterval) {
  return { round, numSteps, trainedSteps: [...trainedSteps] };
}

function intervalFromWire(wire: TrainingIntervalWire | undefined, path: string): TrainingInterval {
  const { round, numSteps, trainedSteps } = requirePart(wire, path);
  const [firstStep] = trainedSteps;
  if (firstStep === undefined) throw new MessageFault(`${path}.trained_steps`, 'at least one step', 'none');
  requireField(numSteps <= MOST_STEPS, `${path}.num_steps`, `at most ${MOST_STEPS} steps`, numSteps);
  trainedSteps.forEach((step, index) => {
    const before = trainedSteps[index - 1] ?? -1;
    const isNext = step > before && step < numSteps;
    requireField(
      isNext,
      `${path}.trained_steps[${index}]`,
      `a step above ${before}, below ${numSteps}`,
      step,
    );
  });
  return { round, firstStep, numSteps, trainedSteps };
}

function treeFromWire(wire: RolloutTreeWire | undefined, { numSteps }: TrainingInterval): RolloutTree {
  const path = 'rollout.tree';
  const { firstStep, widths } = requirePart(wire, path);
  const steps = firstStep + widths.length - 1;
  requireField(widths.length > 1 && steps === numSteps, `${path}.widths`, `steps up to ${numSteps}`, steps);
  widths.forEach((width, depth) => {
    const before = widths[depth - 1] ?? 1;
    requireField(
      width > 0 && width % before === 0,
      `${path}.widths[${depth}]`,
      `a multiple of the width before, ${before}`,
      width,
    );
  });
  return { firstStep, widths };
}

/** The inbox checks whether the prompt can be used, with any transport. */
export const incomingPromptCodec = messageCodec({
  kind: 'incoming prompt',
  schema: IncomingPromptSchema,
  toWire: ({ id, prompt, metadata }: IncomingPrompt) => ({ id, prompt, ...metadataToWire(metadata) }),
  fromWire: ({ id, prompt, metadata }): IncomingPrompt => {
    requireField(id !== '', 'incoming_prompt.id', 'an id', '""');
    return { id, prompt, ...metadataFromWire(metadata, 'incoming_prompt.metadata') };
  },
});
