/** @file Tickets in, pictures and trajectories out. */

import { from, ignoreElements, map, merge, mergeMap, type Observable, tap } from 'rxjs';
import { at } from '../../../at.js';
import type { SampledBranch } from '../../../models/rollouts/sampler.js';
import {
  branchRollouts,
  type PromptTicket,
  type RolloutGroup,
  type TrainingInterval,
} from '../../../operators/index.js';
import { metadataPart, negativePart } from '../../../prompt-metadata.js';
import { promptSizeFault, sizeOfGroup } from '../../config/resolved/size-of.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { PolicySnapshot } from '../../messages/messages.js';
import { groupFault } from '../shared/group-faults.js';
import { closedGroups, receiveUnfinished } from '../shared/receive-unfinished.js';
import { reportWork } from '../shared/report-work.js';
import type { StageContext } from '../shared/stage-context.js';
import type { SamplerClient } from './client.js';
import { drawRequests } from './draw-requests.js';

/**
 * Rolls out groups with the newest policy and interval that fit their round. A prompt that the model cannot read becomes a
 * dead letter and its group is lost; the rest of its batch is rolled out. Tickets whose round is closed are dropped. What people
 * ask for is drawn first.
 */
export function samplerStage(context: StageContext, sampler: SamplerClient): Observable<never> {
  const { transport, config } = context;
  const { runAhead } = stageOf(config, 'prompts');
  const { groupsPerBatch, lingerMs, sampleFrom } = stageOf(config, 'sampler');
  const { maxStaleness } = stageOf(config, 'trainer');
  const count = countGroups(context);
  const sizeFault = promptSizeFault(config);
  const shapeOf = (group: PromptTicket): SamplerClient['imageShape'] => {
    const { size } = sizeOfGroup(config, group);
    return size ? [sampler.imageShape[0], size.height, size.width] : sampler.imageShape;
  };
  const report = reportWork('sampler', context);

  const rolledOut = async (
    tickets: readonly PromptTicket[],
    interval: TrainingInterval,
    policy: PolicySnapshot,
  ): Promise<RolloutGroup<SampledBranch>[]> => {
    const faults = await sampler.checkPrompts(tickets);
    const readable: PromptTicket[] = [];
    for (const [index, ticket] of tickets.entries()) {
      const fault = faults[index] ?? sizeFault(ticket);
      if (fault) {
        await lose(context, ticket, fault);
        count(ticket, interval);
      } else readable.push(ticket);
    }
    if (readable.length === 0) return [];
    const requests = readable.map(({ groupIndex, prompt, metadata }) => ({
      groupIndex,
      prompt,
      ...negativePart(metadata),
      ...sizeOfGroup(config, { groupIndex, ...metadataPart(metadata) }),
    }));
    const request = { requests, trainedSteps: interval.trainedSteps };
    const signal = context.canceling;
    const groups = await sampler.withPolicy(policy, (call) => call.rollout(request, { signal }));
    return readable.map((ticket, index) => ({
      ...ticket,
      interval,
      policyVersion: policy.version,
      ...at(groups, index),
    }));
  };
  const rollout = (tickets: readonly PromptTicket[], interval: TrainingInterval, policy: PolicySnapshot) =>
    from(report.during(() => rolledOut(tickets, interval, policy)));
  // Pictures of the pretrained model are as old as the policy that they are trained into.
  const sampledFrom = (policy: PolicySnapshot): PolicySnapshot =>
    sampleFrom === 'policy' ? policy : { ...policy, parameters: sampler.baseParameters };
  const policy$ = transport.latest('policy').pipe(map(sampledFrom));
  const tickets$ = receiveUnfinished({
    transport,
    topic: 'prompts',
    consumerGroup: 'samplers',
    maxInFlight: 2 * runAhead,
    faultOf: groupFault(config),
  });
  let numClosed = 0;
  const closed$ = closedGroups(context).pipe(
    tap((count) => {
      numClosed = count;
    }),
  );
  const rolledOut$ = tickets$.pipe(
    branchRollouts<PolicySnapshot, SampledBranch>({
      schedule$: transport.latest('schedule'),
      policy$,
      groupsPerBatch,
      lingerMs,
      maxQueued: 2 * runAhead,
      isReady: (round, interval, policy) =>
        round - interval.round <= maxStaleness && round - policy.version <= maxStaleness,
      isOver: ({ groupIndex }) => groupIndex < numClosed,
      rollout,
    }),
    // Written together, they share a request.
    mergeMap(async (group) => {
      const { groupId: key, groupIndex: turn, branches } = group;
      const trajectories = { ...group, branches: branches.map(({ trajectory }) => trajectory) };
      const images = {
        ...group,
        imageShape: shapeOf(group),
        branches: branches.map(({ image }) => image),
      };
      await Promise.all([
        transport.publish('trajectories', { key, turn, message: trajectories }),
        transport.publish('images', { key, turn, message: images }),
      ]);
      return group;
    }, groupsPerBatch),
    tap((group) => {
      count(group, group.interval);
      report.done(group.round);
    }),
  );
  const drawn$ = drawRequests(context, sampler, policy$);
  return merge(drawn$, closed$, rolledOut$).pipe(ignoreElements());
}

/** Reports after every group how far its round is. */
function countGroups({ config, say }: StageContext) {
  const { groupsPerRound, numRounds } = stageOf(config, 'prompts');
  const counts = new Map<number, number>();
  return ({ round }: PromptTicket, { trainedSteps }: TrainingInterval): void => {
    const groupsSampled = (counts.get(round) ?? 0) + 1;
    counts.set(round, groupsSampled);
    if (groupsSampled === groupsPerRound) counts.delete(round);
    say({ kind: 'progress', round, numRounds, trainedSteps, groupsSampled, groupsPerRound });
  };
}

async function lose({ transport }: StageContext, ticket: PromptTicket, reason: string): Promise<void> {
  const { groupId, round } = ticket;
  const headers = { origin: 'prompts', stage: 'sampler', code: 'TRIB_PROMPT', reason };
  await transport.publish('dead-letters', { key: groupId, message: ticket, headers });
  const lost = { groupId, round, reason: 'dead-letter', detail: reason } as const;
  await transport.publish('rewards', { key: groupId, message: lost });
}
