/** @file A gateway on the in-process transport, with samplers that draw at once and a clock that stands still. */

import { VirtualTimeScheduler } from 'rxjs';
import { onTestFinished, vi } from 'vitest';
import { progressAt } from '../../../../src/streams/config/resolved/progress-at.js';
import { type PartialRound, RUN_KEY } from '../../../../src/streams/messages/messages.js';
import type { DrawnPictures, PictureRequest } from '../../../../src/streams/messages/people.js';
import type {
  Desk,
  DeskErrorCode,
  DeskEvent,
  ServedGroup,
  Vote,
} from '../../../../src/streams/stages/gateway/desk.js';
import { gatewayStage, openGateway } from '../../../../src/streams/stages/gateway/gateway-stage.js';
import type { ServingRule } from '../../../../src/streams/stages/gateway/serving-rule.js';
import { stageTransport } from '../../../../src/streams/transport/stage-transport.js';
import { type StageBench, stageBench } from '../stage-bench.js';

const STAGES = [
  'stages.gateway.type=gateway',
  'stages.prompts.source.from=topic',
  'stages.prompts.runAhead=32',
  'stages.trainer.maxStaleness=1',
];
const TRAINED = [3, 4, 5, 6, 7, 8, 9];
export const interval = (round: number) => ({ round, firstStep: 3, numSteps: 10, trainedSteps: TRAINED });

/** Four pictures of a byte each. */
export function drawnOf(request: PictureRequest, policyVersion = 0): DrawnPictures {
  const { id, seed, prompt } = request;
  const branch = (leaf: number) => ({
    firstStep: 3,
    latents: new Float32Array(8).fill(leaf),
    logProbs: new Float32Array(7).fill(-1),
  });
  return {
    request,
    group: {
      ...{ groupId: id, groupIndex: seed, round: 0, prompt, policyVersion },
      interval: interval(policyVersion),
      tree: { firstStep: 3, widths: [1, 4, 4, 4, 4, 4, 4, 4] },
      branches: [0, 1, 2, 3].map(branch),
    },
    size: [16, 16],
    pictures: [0, 1, 2, 3].map((picture) => Uint8Array.of(picture)),
    guesses: [{ step: 3, node: 0, png: Uint8Array.of(9) }],
  };
}

interface BenchOptions {
  readonly path: string;
  readonly overrides?: readonly string[];
  readonly firstRound?: number;
  /** What becomes of a request; default: it is drawn. */
  readonly draw?: (request: PictureRequest) => DrawnPictures | null;
  readonly rule?: ServingRule;
  /** What another gateway is on, for a second one of its run. */
  readonly beside?: Omit<StageBench, 'events'>;
}

export async function gatewayBench({
  path,
  overrides = [],
  firstRound = 0,
  draw,
  rule,
  beside,
}: BenchOptions) {
  const bench = beside ?? stageBench([...STAGES, ...overrides], firstRound);
  const { context } = bench;
  const { transport, config } = context;
  const scheduler = new VirtualTimeScheduler(undefined, 0);
  const warnings: string[] = [];
  const wired = stageTransport(transport, config, 'gateway');
  const warn = (message: string) => warnings.push(message);
  const gateway = await openGateway({
    ...{ config, transport: wired, path, warn, scheduler },
    finishedRounds: firstRound,
    ...(rule && { rule }),
  });
  const events: DeskEvent[] = [];
  gateway.desk.events$.subscribe((event) => events.push(event));
  let version = firstRound;
  const drawing = transport
    .subscribe({ topic: 'requests', consumerGroup: 'samplers', maxInFlight: 100 })
    .subscribe(async (delivery) => {
      const request = delivery.message;
      const drawn = draw ? draw(request) : drawnOf(request, version);
      if (drawn) await transport.publish('drawn', { key: request.id, message: drawn });
      delivery.ack();
    });
  const prompts = bench.read('incoming-prompts');
  let error: unknown;
  const stage = gatewayStage({ ...context, transport: wired }, gateway.parts).subscribe({
    error: (fault: unknown) => {
      error = fault;
    },
  });
  const leave = () => {
    drawing.unsubscribe();
    stage.unsubscribe();
  };
  onTestFinished(leave);
  const beginRound = async (round: number, partialRounds: readonly PartialRound[] = []) => {
    version = round;
    await transport.publish('schedule', { key: RUN_KEY, message: interval(round) });
    await transport.publish('progress', {
      key: RUN_KEY,
      message: progressAt(config, round, { partialRounds }),
    });
  };
  await beginRound(firstRound);
  const { desk } = gateway;
  return {
    ...bench,
    ...{ desk, prompts, events, warnings, leave, beginRound, close: gateway.close, error: () => error },
    /** Asks for pictures and waits for them. */
    ask: (prompt = 'a red circle', client = 'ann') =>
      desk.draw({ prompt, client, signal: new AbortController().signal }),
    /** Lets virtual time pass until `ms`. */
    passUntil(ms: number) {
      scheduler.maxFrames = ms;
      // Its clock stands at the newest action.
      scheduler.schedule(() => undefined, ms - scheduler.now());
      scheduler.flush();
    },
    /** A group that people have decided on, which has come in as a prompt. */
    async decided(vote: Vote = { voter: 'ann', best: 1 }, { policyVersion = version } = {}) {
      version = policyVersion;
      const { id } = await this.ask();
      await desk.vote(id, vote);
      await vi.waitFor(() => {
        if (!prompts.some((prompt) => prompt.id === id) && desk.group(id)?.state !== 'stale')
          throw new Error('not yet');
      });
      return groupOf(desk, id);
    },
  };
}

export function groupOf(desk: Desk, id: string): ServedGroup {
  const group = desk.group(id);
  if (!group) throw new Error(`no group ${id}`);
  return group;
}

/** The code of what a promise is rejected with. */
export const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: { readonly code: DeskErrorCode }) => error.code,
  );
