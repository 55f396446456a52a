/** @file Tickets in, pictures and trajectories out. */

import { concatMap, from, ignoreElements, map, type Observable, tap } from 'rxjs';
import { TributaryError } from '../../errors.js';
import type { SampledBranch, SampledGroup } from '../../models/diffusion/sampler.js';
import {
  branchRollouts,
  type PromptTicket,
  type RolloutGroup,
  type TrainingInterval,
} from '../../operators/index.js';
import { stageOf } from '../config/stage-of.js';
import type { PolicySnapshot } from '../messages.js';
import { groupFault } from './group-fault.js';
import { receive } from './receive.js';
import type { SamplerClient } from './run-threads.js';
import type { StageContext } from './stage-context.js';

/** Rolls out groups with the newest policy and interval that fit their training stage. */
export function samplerStage(context: StageContext, sampler: SamplerClient): Observable<never> {
  const { transport, config } = context;
  const { runAhead, groupsPerStage } = stageOf(config, 'prompts');
  const { groupsPerBatch, lingerMs, sampleFrom } = stageOf(config, 'branchRollouts');
  const { maxStaleness } = stageOf(config, 'gradientSteps');
  const counts = new Map<number, number>();

  const rollout = (tickets: readonly PromptTicket[], interval: TrainingInterval, policy: PolicySnapshot) =>
    from(rolloutGroups(sampler, tickets, interval, policy, context.cancelling));
  // Pictures of the pretrained model are as old as the policy that they are trained into.
  const sampledFrom = (policy: PolicySnapshot): PolicySnapshot =>
    sampleFrom === 'policy' ? policy : { ...policy, parameters: sampler.baseParameters };
  const tickets$ = receive({
    transport,
    topic: 'prompts',
    consumerGroup: 'samplers',
    maxInFlight: 2 * runAhead,
    faultOf: groupFault(config),
  });
  return tickets$.pipe(
    branchRollouts<PolicySnapshot, SampledBranch>({
      schedule$: transport.latest('schedule'),
      policy$: transport.latest('policy').pipe(map(sampledFrom)),
      groupsPerBatch,
      lingerMs,
      maxQueued: 2 * runAhead,
      isReady: (trainingStage, interval, policy) =>
        trainingStage - interval.trainingStage <= maxStaleness &&
        trainingStage - policy.version <= maxStaleness,
      rollout,
    }),
    concatMap(async (group) => {
      const { groupId } = group;
      await transport.publish('trajectories', {
        key: groupId,
        message: { ...group, branches: group.branches.map(({ trajectory }) => trajectory) },
      });
      await transport.publish('images', {
        key: groupId,
        message: {
          ...group,
          imageShape: sampler.imageShape,
          branches: group.branches.map(({ image }) => image),
        },
      });
      return group;
    }),
    tap(({ trainingStage, interval }) => {
      const groupsSampled = (counts.get(trainingStage) ?? 0) + 1;
      counts.set(trainingStage, groupsSampled);
      if (groupsSampled === groupsPerStage) counts.delete(trainingStage);
      const { numStages } = stageOf(config, 'prompts');
      context.say({
        kind: 'progress',
        trainingStage,
        numStages,
        trainedSteps: interval.trainedSteps,
        groupsSampled,
        groupsPerStage,
      });
    }),
    ignoreElements(),
  );
}

async function rolloutGroups(
  sampler: SamplerClient,
  tickets: readonly PromptTicket[],
  interval: TrainingInterval,
  policy: PolicySnapshot,
  signal: AbortSignal,
): Promise<RolloutGroup<SampledBranch>[]> {
  const requests = tickets.map(({ groupIndex, prompt }) => ({ groupIndex, prompt }));
  const groups = await sampler.withPolicy(policy, (call) =>
    call.rollout({ requests, trainedSteps: interval.trainedSteps }, { signal }),
  );
  return tickets.map((ticket, index) => ({
    ...ticket,
    interval,
    policyVersion: policy.version,
    ...rolledOut(groups[index], ticket),
  }));
}

function rolledOut(group: SampledGroup | undefined, { groupId }: PromptTicket): SampledGroup {
  if (group) return group;
  throw new TributaryError(
    'TRIB_INTERNAL',
    `sampler group ${groupId}: expected a rollout, got none. Report this as a fault of the sampler.`,
    { stage: 'branchRollouts', groupId },
  );
}
