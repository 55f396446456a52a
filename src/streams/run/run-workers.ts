import {
  exhaustMap,
  filter,
  fromEvent,
  lastValueFrom,
  merge,
  type Observable,
  Observable as Stream,
  take,
  takeUntil,
  tap,
} from 'rxjs';
import { hasStage, roleOf } from '../config/graph/topology-graph.js';
import { requireModules } from '../config/named-modules.js';
import { hasIncomingPrompts } from '../config/resolved/prompt-sources.js';
import { scoringStages } from '../config/resolved/reward-parts.js';
import { requireSameConfig } from '../config/resolved/shared-config.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { openRunControl } from '../control/run-control.js';
import type { TopicMessages } from '../messages/messages.js';
import type { Observe } from '../messages/observations.js';
import type { RunEvent, Say } from '../messages/run-events.js';
import { type PromptLists, promptRows, readPromptLists } from '../prompt-files/read-prompts.js';
import type { Gateway } from '../stages/gateway/gateway-stage.js';
import type { StageType } from '../stages/index.js';
import { openPromptSource } from '../stages/prompts/open-prompt-source.js';
import { startSampler } from '../stages/sampler/client.js';
import type { StageContext } from '../stages/shared/stage-context.js';
import type { Transport } from '../transport/contract/transport.js';
import { openTransport } from '../transport/open-transport.js';
import { behindOf, lagOf } from './opening/lag-of.js';
import { openGatewayPart, type ServeDesk } from './opening/open-gateway.js';
import { openOperators } from './opening/open-operators.js';
import { OpenParts } from './opening/open-parts.js';
import { openRewards } from './opening/open-rewards.js';
import { requireTrainersPrompts } from './resume-checks.js';
import { runStages, type StageParts } from './run-stages.js';

interface WorkerOptions {
  readonly config: ResolvedConfig;
  /** Not the trainer's. */
  readonly roles: readonly string[];
  /** Aborting leaves the run at once: what is in flight goes to another worker, or to this one when it is back. */
  readonly signal: AbortSignal;
  /** Serves people at the desk of the gateway, in the process that has its role. Default: nobody is served. */
  readonly serveDesk?: ServeDesk;
  /** Hears of this process besides. Default: nobody does. */
  readonly observe?: Observe | undefined;
}

/**
 * Runs parts of a topology whose trainer is another process. They hold no state: a worker may be killed at any time.
 *
 * Time: begins when the trainer says how far the run is; completes when the run is over or the signal is aborted; errs with
 * a coded error if a stage fails for good or the trainer has another config. Unsubscribing aborts.
 */
export function runWorkers(options: WorkerOptions): Observable<RunEvent> {
  return new Stream<RunEvent>((subscriber) => {
    const leaving = new AbortController();
    const say = (event: RunEvent) => subscriber.next(event);
    work({ ...options, signal: AbortSignal.any([options.signal, leaving.signal]) }, say).then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    );
    return () => leaving.abort();
  });
}

async function work({ config, roles, signal, serveDesk, observe }: WorkerOptions, say: Say): Promise<void> {
  const operators = await openOperators(config, roles);
  const warn = (message: string) => say({ kind: 'warning', message });
  await requireModules(config);
  const assignsPrompts = hasStage(config, roles, 'prompts') && hasIncomingPrompts(config);
  const { transport } = await openTransport({ config, trainer: null, assignsPrompts, warn, observe });
  try {
    observe?.({ kind: 'connected', lag: lagOf(config, roles, transport) });
    const control = await openRunControl(transport);
    const { parts, lists, close } = await openParts(config, roles, transport, say);
    observe?.({ kind: 'loaded' });
    // What is in flight when the worker leaves is canceled.
    const canceling = new AbortController();
    let gateway: Gateway | null = null;
    try {
      const finishedRounds = (await transport.newest('progress'))?.round ?? 0;
      const serving = { config, roles, transport, runPath: null, finishedRounds, say, serve: serveDesk };
      gateway = await openGatewayPart(serving);
      const opened = { ...parts, ...(gateway && { gateway }), operators };
      const stages$ = transport.latest('progress').pipe(
        take(1),
        tap((progress) => {
          requireSameConfig(config, progress);
          if (lists) requireTrainersPrompts(lists, progress);
        }),
        exhaustMap(({ round }) => {
          say({ kind: 'joined', roles, round });
          observe?.({ kind: 'joined', behind: behindOf(config, gateway, transport) });
          const context: StageContext = {
            config,
            transport,
            control,
            firstRound: round,
            say,
            observe,
            stopping: signal,
            canceling: canceling.signal,
            learningRateScale: () => 1,
          };
          return runStages(context, roles, opened);
        }),
      );
      await lastValueFrom(stages$.pipe(takeUntil(ended(transport, signal))), { defaultValue: undefined });
    } finally {
      canceling.abort();
      await gateway?.close();
      await close();
    }
  } finally {
    await transport.close();
  }
}

function ended(transport: Transport<TopicMessages>, signal: AbortSignal): Observable<unknown> {
  const isOver$ = transport.latest('progress').pipe(filter(({ isOver }) => isOver));
  return signal.aborted ? isOver$.pipe(take(0)) : merge(isOver$, fromEvent(signal, 'abort'));
}

interface WorkerParts {
  readonly parts: Partial<StageParts>;
  /** The prompts that this process gives to groups; null if it gives none from a file. */
  readonly lists: PromptLists | null;
  close(): Promise<void>;
}

async function openParts(
  config: ResolvedConfig,
  roles: readonly string[],
  transport: Transport<TopicMessages>,
  say: Say,
): Promise<WorkerParts> {
  const opening = new OpenParts(say);
  const openIf = <Opened extends { close(): Promise<void> }>(
    type: StageType,
    open: (say: Say) => Promise<Opened>,
  ) => (hasStage(config, roles, type) ? opening.open(open) : null);
  let lists: PromptLists | null = null;
  const prompting = openIf('prompts', (say) => {
    const readLists = async () => {
      lists = await readPromptLists(config);
      say({ kind: 'prompts', description: promptRows(lists, config) });
      return lists;
    };
    return openPromptSource({ config, transport, say, readLists });
  });
  const sampling = openIf('sampler', (say) => startSampler(config, say));
  const scored = scoringStages(config).filter(({ name }) => roles.includes(roleOf(config, name)));
  const scoring = openRewards(config, scored, null, opening);
  await opening.ready();
  const [prompts, sampler] = await Promise.all([prompting, sampling]);
  const rewards = await scoring();
  const ignore = () => undefined;
  const parts = {
    ...(prompts && { prompts: { source: prompts.source, onIssued: ignore, onEnd: ignore } }),
    ...(sampler && { sampler }),
    rewards,
  };
  return { parts, lists, close: () => opening.close() };
}
