/** @file What happens between the gradient steps of one training stage and the start of the next: figures, evaluation, checkpoint. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { EMPTY, merge, mergeMap, type Observable } from 'rxjs';
import { TributaryError } from '../errors.js';
import { ADAPTER_FILE, checkpointFiles } from './checkpoint-files.js';
import { stageOf } from './config/stage-of.js';
import type { ScoredMetric, TopicMessages } from './messages.js';
import type { OpenRun } from './open-run.js';
import type { RunDirectory } from './run-directory.js';
import type { Evaluation, StageMetrics } from './run-events.js';
import { GRID_COLUMNS, GRID_SCALE, gridPrompts } from './sample-grid.js';
import type { StageContext } from './stages/stage-context.js';
import type { AfterStage, TrainedStage } from './stages/trainer-stage.js';
import type { Transport } from './transport/transport.js';

export interface BetweenStages {
  /** Counts what was scored and what died as it passes; emits nothing. */
  observe(transport: Transport<TopicMessages>): Observable<never>;
  readonly afterStage: AfterStage;
  /** Saves the last policy and, after a whole run, says how it compares with the base model. */
  finish(completeStages: number): Promise<void>;
}

/** What was counted of one training stage. */
interface Tally {
  readonly images: number;
  readonly verified: number;
  readonly satisfied: number;
  readonly score: number;
  readonly deadLetters: number;
}

const NOTHING: Tally = { images: 0, verified: 0, satisfied: 0, score: 0, deadLetters: 0 };
const NS_PER_MS = 1e6;

export function betweenStages(
  context: StageContext,
  run: OpenRun,
  runDirectory: RunDirectory,
): BetweenStages {
  const { config, say, stopping } = context;
  const { numStages } = stageOf(config, 'prompts');
  const tallies = new Map<number, Tally>();
  const startedAt = performance.now();
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  let rewardQueries = run.rewardQueries;
  let newest: Evaluation = lastEvaluation(runDirectory) ?? run.base;
  let history = run.history;
  let savedStages = run.completeStages;

  const count = (trainingStage: number, seen: Partial<Tally>) => {
    const tally = tallies.get(trainingStage) ?? NOTHING;
    const sum = (name: keyof Tally) => tally[name] + (seen[name] ?? 0);
    tallies.set(trainingStage, {
      images: sum('images'),
      verified: sum('verified'),
      satisfied: sum('satisfied'),
      score: sum('score'),
      deadLetters: sum('deadLetters'),
    });
  };
  const countScored = ({ trainingStage, images, verdicts }: ScoredMetric) =>
    count(trainingStage, verdicts ? { images, verified: images, ...verdicts } : { images });

  const metricsOf = ({ closed, statistics }: TrainedStage): StageMetrics => {
    const { trainingStage, batch } = closed;
    const { numInferenceSteps } = stageOf(config, 'branchRollouts');
    const { images, verified, satisfied, score, deadLetters } = tallies.get(trainingStage) ?? NOTHING;
    tallies.delete(trainingStage);
    rewardQueries += images;
    const eventLoopDelayP99Ms = delay.percentile(99) / NS_PER_MS;
    delay.reset();
    return {
      trainingStage,
      firstStep: batch.interval?.firstStep ?? 0,
      numSteps: batch.interval?.numSteps ?? numInferenceSteps,
      policyVersion: trainingStage + 1,
      rewardMean: batch.statistics.rewardMean,
      rewardStd: batch.statistics.rewardStd,
      verifiedAlignment: verified > 0 ? satisfied / verified : null,
      verifierScore: verified > 0 ? score / verified : null,
      selectedSamples: batch.samples.length,
      groups: batch.statistics.groups,
      lostGroups: batch.statistics.lostGroups,
      deadLetters,
      zeroSpreadGroups: batch.statistics.zeroSpreadGroups,
      intraGroupCorrelation: batch.statistics.intraGroupCorrelation,
      ...statistics,
      rewardQueries,
      elapsedSeconds: runDirectory.elapsedSeconds + (performance.now() - startedAt) / 1000,
      eventLoopDelayP99Ms,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    };
  };

  const evaluate = async (completeStages: number) => {
    const parameters = await run.trainer.parameters(undefined);
    newest = await run.evaluate({ version: completeStages, parameters });
    await runDirectory.recordEvaluation(newest);
    say({ kind: 'evaluation', evaluation: newest });
  };

  const save = async (completeStages: number) => {
    const state = { history, rewardQueries, base: run.base };
    const files = checkpointFiles(await run.trainer.save(undefined), state);
    say({ kind: 'checkpoint', path: await runDirectory.saveCheckpoint(completeStages, files) });
    savedStages = completeStages;
  };

  return {
    observe: (transport) =>
      merge(
        transport.subscribe({ topic: 'metrics', consumerGroup: 'run', maxInFlight: 1 }).pipe(
          mergeMap((delivery) => {
            countScored(delivery.message);
            delivery.ack();
            return EMPTY;
          }),
        ),
        transport.subscribe({ topic: 'dead-letters', consumerGroup: 'run', maxInFlight: 1 }).pipe(
          mergeMap((delivery) => {
            const { message: letter } = delivery;
            const { trainingStage } = 'message' in letter ? letter.message : letter;
            count(trainingStage, { deadLetters: 1 });
            delivery.ack();
            return EMPTY;
          }),
        ),
      ),
    async afterStage(trained) {
      const completeStages = trained.closed.trainingStage + 1;
      history = trained.closed.state;
      const metrics = metricsOf(trained);
      await runDirectory.recordStage(metrics);
      say({ kind: 'stage', metrics });
      if (metrics.groups === 0 && metrics.deadLetters >= metrics.lostGroups) throw allDead(metrics);
      const isLast = completeStages === numStages;
      if (isLast || completeStages % config.evaluation.everyStages === 0) await evaluate(completeStages);
      if (isLast || stopping.aborted || completeStages % config.checkpoints.everyStages === 0)
        await save(completeStages);
    },
    async finish(completeStages) {
      delay.disable();
      // The request to stop may have come just after the last training stage was found to need no checkpoint.
      if (savedStages < completeStages) await save(completeStages);
      const { adapter } = await run.trainer.save(undefined);
      await runDirectory.write(ADAPTER_FILE, adapter);
      if (completeStages < numStages) return;
      const prompts = gridPrompts(run.prompts);
      const policy = { version: completeStages, parameters: await run.trainer.parameters(undefined) };
      const png = await run.sampler.withPolicy(policy, (call) =>
        call.sampleGrid({ prompts, columns: GRID_COLUMNS, scale: GRID_SCALE }),
      );
      await runDirectory.saveSamples(completeStages, { png, prompts });
      say({ kind: 'finished', base: run.base, tuned: newest });
    },
  };
}

/** A run that scores nothing any more would go on to its end without learning. */
function allDead({ trainingStage, lostGroups }: StageMetrics): TributaryError {
  return new TributaryError(
    'TRIB_REWARD',
    `training stage ${trainingStage}: expected a group with rewards, got none of ${lostGroups}. Read the warnings above; check the reward model, or resume from the last checkpoint with a smaller learningRate.`,
  );
}

function lastEvaluation({ history }: RunDirectory): Evaluation | undefined {
  const line = history.findLast(({ kind }) => kind === 'evaluation');
  return line?.kind === 'evaluation' ? line : undefined;
}
