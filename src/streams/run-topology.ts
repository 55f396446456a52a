import {
  filter,
  ignoreElements,
  lastValueFrom,
  merge,
  type Observable,
  Observable as Stream,
  Subject,
  take,
  takeUntil,
  tap,
} from 'rxjs';
import { betweenStages } from './between-stages.js';
import { describeTopology } from './config/describe.js';
import { stageOf } from './config/stage-of.js';
import { topicDeclarations } from './config/topic-declarations.js';
import type { ResolvedConfig } from './config/topology-schema.js';
import { watchGuards } from './guards/watch-guards.js';
import { RUN_KEY, type TopicMessages } from './messages.js';
import { type OpenRun, openRun } from './open-run.js';
import type { RunDirectory } from './run-directory.js';
import type { RunEvent } from './run-events.js';
import { advantagesStage } from './stages/advantages-stage.js';
import { promptsStage } from './stages/prompts-stage.js';
import { rewardStage } from './stages/reward-stage.js';
import { samplerStage } from './stages/sampler-stage.js';
import { scheduleStage } from './stages/schedule-stage.js';
import type { StageContext } from './stages/stage-context.js';
import { trainerStage } from './stages/trainer-stage.js';
import { createInProcessTransport } from './transport/in-process.js';

export interface RunOptions {
  readonly config: ResolvedConfig;
  readonly runDirectory: RunDirectory;
  /** Aborting stops admission; the training stages in flight are finished and saved, then the stream completes. */
  readonly signal: AbortSignal;
}

/**
 * Runs a topology from its start or its checkpoint to its end.
 *
 * **Time**: emits as things happen, completes after the last stage (or the ones in flight when stopped) is saved, errs with a
 * coded error where a stage fails for good; the last checkpoint stays whole in every case. Unsubscribing cancels at the next
 * safe point. A guard may stop the run as the signal does; but then the run is over, and resuming it finds nothing to do.
 */
export function runTopology(options: RunOptions): Observable<RunEvent> {
  return new Stream<RunEvent>((subscriber) => {
    const cancelling = new AbortController();
    const say = (event: RunEvent) => subscriber.next(event);
    run(options, say, cancelling).then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    );
    return () => cancelling.abort();
  });
}

async function run(
  options: RunOptions,
  say: (event: RunEvent) => void,
  cancelling: AbortController,
): Promise<void> {
  say({ kind: 'started', description: describeTopology(options.config) });
  const opened = await openRun(options.config, options.runDirectory, say, cancelling.signal);
  try {
    await runStages(options, opened, say, cancelling.signal);
  } catch (error) {
    // Else the user would wait for the rollout or the gradient steps that are under way before hearing of the fault.
    cancelling.abort();
    throw error;
  } finally {
    await opened.close();
  }
}

/** Puts the stages together and waits until the last training stage that was begun is finished. */
async function runStages(
  { config, runDirectory, signal }: RunOptions,
  opened: OpenRun,
  say: (event: RunEvent) => void,
  cancelling: AbortSignal,
): Promise<void> {
  const { groupsPerStage } = stageOf(config, 'prompts');
  const firstTrainingStage = opened.completeStages;
  const transport = createInProcessTransport<TopicMessages>({
    topics: topicDeclarations(config),
    maxAttempts: config.transport.maxAttempts,
    deadLettersTopic: 'dead-letters',
  });
  const logged = runDirectory.history.filter((line) => line.kind !== 'alarm');
  const guards = watchGuards(config.guards, opened.base, logged);
  const context: StageContext = {
    config,
    transport,
    firstTrainingStage,
    say,
    stopping: AbortSignal.any([signal, guards.stopping]),
    cancelling,
    learningRateScale: guards.learningRateScale,
  };
  const between = betweenStages(context, opened, runDirectory, guards);

  let issued = firstTrainingStage - 1;
  let trained = firstTrainingStage - 1;
  let admissionEnded = false;
  const turn$ = new Subject<void>();
  const turn = () => turn$.next();
  const finished$ = turn$.pipe(
    filter(() => admissionEnded && trained >= issued),
    take(1),
  );
  const onIssued = (trainingStage: number) => {
    issued = trainingStage;
  };
  const stages$ = merge(
    between.observe(transport),
    scheduleStage(context),
    samplerStage(context, opened.sampler),
    rewardStage(context, opened.reward),
    advantagesStage(context, opened.history),
    trainerStage(context, opened.trainer, between.afterStage).pipe(
      tap(({ closed }) => {
        trained = closed.trainingStage;
        turn();
      }),
      ignoreElements(),
    ),
    promptsStage(context, opened.prompts.train, onIssued).pipe(
      tap({
        complete: () => {
          admissionEnded = true;
          turn();
        },
      }),
    ),
  );
  try {
    await transport.publish('policy', {
      key: RUN_KEY,
      message: { version: firstTrainingStage, parameters: await opened.trainer.parameters(undefined) },
    });
    await transport.publish('progress', {
      key: RUN_KEY,
      message: { finishedGroups: firstTrainingStage * groupsPerStage, trainingStage: firstTrainingStage },
    });
    await lastValueFrom(stages$.pipe(takeUntil(finished$)), { defaultValue: undefined });
    await between.finish(trained + 1);
  } finally {
    await transport.close();
  }
}
