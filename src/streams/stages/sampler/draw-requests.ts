/** @file Requests of people in, pictures and trajectories out. */

import { combineLatest, EMPTY, firstValueFrom, from, ignoreElements, mergeMap, type Observable } from 'rxjs';
import { at } from '../../../at.js';
import { batchTickets } from '../../../operators/batch-tickets.js';
import { stageError } from '../../../operators/checks/faults.js';
import { type PromptTicket, readLatest, type TrainingInterval } from '../../../operators/index.js';
import { bucketsOf } from '../../config/resolved/size-of.js';
import { findStage, stageOf } from '../../config/resolved/stage-of.js';
import type { PolicySnapshot } from '../../messages/messages.js';
import type { DrawnPictures, PictureRequest } from '../../messages/people.js';
import type { Delivery } from '../../transport/contract/transport.js';
import type { StageContext } from '../shared/stage-context.js';
import type { SamplerClient } from './client.js';
import { canarysPictures, mixedTree } from './compare-policies.js';

/**
 * Draws what people ask for, before the groups that wait to be rolled out, with the policy that people are given,
 * which is the newest unless policies are compared, and the newest interval. A share of the requests is drawn by two
 * policies that are compared, each for half of the pictures. A request that nobody waits for any more is dropped; one
 * that the model cannot read is answered with the reason.
 *
 * Time: a batch begins when the one before is done, with all requests that wait, up to groupsPerBatch. A request is
 * acknowledged when its pictures are accepted.
 */
export function drawRequests(
  { transport, config, canceling }: StageContext,
  sampler: SamplerClient,
  policy$: Observable<PolicySnapshot>,
  now: () => number = Date.now,
): Observable<never> {
  const gateway = findStage(config, 'gateway');
  if (!gateway) return EMPTY;
  const { groupsPerBatch } = stageOf(config, 'sampler');
  const maxInFlight = 2 * groupsPerBatch;
  // Where there are several sizes, people are given the first.
  const [size] = bucketsOf(config);
  const held = new Map<string, Delivery<PictureRequest>>();

  const comparedPlaces = ({ id, seed }: PictureRequest): (readonly [string, readonly number[]])[] => {
    const { serve, pictures } = gateway;
    const share = serve.canary?.share ?? 0;
    const places = canarysPictures(seed, { seed: config.seed, share, pictures });
    return places ? [[id, places]] : [];
  };
  const answer = async (drawn: DrawnPictures): Promise<void> => {
    const { id } = drawn.request;
    await transport.publish('drawn', { key: id, message: drawn });
    held.get(id)?.ack();
    held.delete(id);
  };
  const readable = async (tickets: readonly PromptTicket[]): Promise<PictureRequest[]> => {
    const requests = tickets.flatMap(({ groupId }) => held.get(groupId)?.message ?? []);
    const faults = await sampler.checkPrompts(requests);
    for (const [index, request] of requests.entries()) {
      const fault = faults[index];
      if (fault) await answer({ request, fault });
    }
    return requests.filter((_, index) => !faults[index]);
  };
  const draw = async (
    tickets: readonly PromptTicket[],
    [interval, policy]: readonly [TrainingInterval, PolicySnapshot],
  ): Promise<void> => {
    const requests = await readable(tickets);
    if (requests.length === 0) return;
    const { trainedSteps } = interval;
    const drawBy = ({ served: _, ...drawing }: PolicySnapshot, wanted: readonly PictureRequest[]) => {
      const rollouts = wanted.map(({ seed, prompt }) => ({
        groupIndex: seed,
        prompt,
        ...(size && { size }),
      }));
      const request = { requests: rollouts, trainedSteps, guesses: gateway.guesses };
      return sampler.withPolicy(drawing, (call) => call.draw(request, { signal: canceling }), {
        isUrgent: true,
      });
    };
    const { stable, canary } = policy.served ?? { stable: policy, canary: null };
    const trees = await drawBy(stable, requests);
    const places = new Map(canary ? requests.flatMap((own) => comparedPlaces(own)) : []);
    const compared = requests.filter(({ id }) => places.has(id));
    const canarys = canary && compared.length > 0 ? await drawBy(canary, compared) : [];
    const [, height, width] = sampler.imageShape;
    for (const [index, own] of requests.entries()) {
      const pictures = places.get(own.id);
      const tree = at(trees, index);
      const drawn = pictures ? mixedTree(tree, at(canarys, compared.indexOf(own)), pictures) : tree;
      const comparison = canary && pictures && { canary: canary.version, pictures };
      const { pictures: pngs, guesses, ...rolledOut } = drawn;
      const group = { ...ticketOf(own), interval, policyVersion: stable.version, ...rolledOut };
      const pixels = [width, height] as const;
      await answer({
        request: own,
        group,
        size: pixels,
        pictures: pngs,
        guesses,
        ...(comparison && { comparison }),
      });
    }
  };
  const take = (delivery: Delivery<PictureRequest>): PromptTicket[] => {
    const { id, expiresAt } = delivery.message;
    if (expiresAt <= now()) {
      delivery.ack();
      return [];
    }
    const isHeld = held.has(id);
    held.set(id, delivery);
    return isHeld ? [] : [ticketOf(delivery.message)];
  };
  return readLatest(combineLatest([transport.latest('schedule'), policy$]), (newest$) =>
    transport.subscribe({ topic: 'requests', consumerGroup: 'samplers', maxInFlight }).pipe(
      mergeMap(take),
      batchTickets({
        groupsPerBatch,
        lingerMs: 0,
        maxQueued: maxInFlight,
        run: (tickets) =>
          from(
            firstValueFrom(newest$)
              .then((newest) => draw(tickets, newest))
              .catch((error: unknown) => {
                const { groupId } = at(tickets, 0);
                throw stageError(error, { stage: 'sampler', work: `request ${groupId}`, groupId });
              }),
          ),
      }),
    ),
  ).pipe(ignoreElements());
}

/** A request as what it is rolled out as; it gets its place in a round later. */
function ticketOf({ id, seed, prompt }: PictureRequest): PromptTicket {
  return { groupId: id, groupIndex: seed, round: 0, prompt };
}
