/** @file What a run opens before its first round: prompts, threads, the state it starts from. */

import type { Client } from '../../models/threads/thread.js';
import { type AdvantageHistory, createHistory, placeAt, type SchedulePlace } from '../../operators/index.js';
import { scoringStages } from '../config/resolved/reward-parts.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { readCheckpointFiles } from '../directory/checkpoint-files.js';
import type { Checkpoint } from '../directory/checkpoint-folder.js';
import { type Computation, computationChanges, computationOf } from '../directory/computation.js';
import type { RunDirectory } from '../directory/run-directory.js';
import type { PolicySnapshot } from '../messages/messages.js';
import type { Evaluation, Say } from '../messages/run-events.js';
import type { SavedCanary } from '../promotion/canary.js';
import { type PromptLists, promptRows, readPromptLists } from '../prompt-files/read-prompts.js';
import { type RewardThreads, type ScorePictures, scorerOf } from '../stages/reward/scorers.js';
import { type SamplerClient, startSampler } from '../stages/sampler/client.js';
import { startTrainer } from '../stages/trainer/client.js';
import type { OpenedTrainer, TrainerService } from '../stages/trainer/trainer-thread.js';
import { evaluatePolicy } from './evaluate-policy.js';
import { openGold } from './gold-rewards.js';
import { OpenParts } from './opening/open-parts.js';
import { openRewards } from './opening/open-rewards.js';
import { requireSamePrompts } from './resume-checks.js';
import { drawGrid, gridPrompts, textsOf } from './sample-grid.js';

/** The parts of a run, open. */
interface RunParts {
  readonly prompts: PromptLists;
  readonly sampler: SamplerClient;
  readonly rewards: RewardThreads;
  /** Scores as the run does. */
  readonly score: ScorePictures;
  readonly trainer: Client<TrainerService>;
  /** Numbers in a latent of the model. */
  readonly latentShapes: OpenedTrainer['latentShapes'];
  /** What it is computed with. */
  readonly computation: Computation;
  evaluate(policy: PolicySnapshot): Promise<Evaluation>;
  close(): Promise<void>;
}

/** Where a run starts. */
interface RunStart {
  /** Rounds that are complete. */
  readonly completeRounds: number;
  readonly history: AdvantageHistory;
  /** Where the schedule goes on. */
  readonly schedulePlace: SchedulePlace;
  /** Images scored before the start. */
  readonly rewardQueries: number;
  /** Mean reward of the best policy on the probe of the promotion gate, before a resume. */
  readonly bestProbeReward?: number | undefined;
  /** Policies that were compared before a resume. */
  readonly savedCanary?: SavedCanary | undefined;
  /** The evaluation of the base model. */
  readonly base: Evaluation;
  /** The evaluation of the best policy so far, whose adapter is in the run directory. */
  readonly best: Evaluation;
}

export interface OpenRun extends RunParts, RunStart {}

interface OpenOptions {
  readonly config: ResolvedConfig;
  readonly runDirectory: RunDirectory;
  readonly say: Say;
  readonly signal: AbortSignal;
}

/** Opens a run: a new one measures the base model, a resumed one restores its checkpoint. */
export async function openRun(options: OpenOptions): Promise<OpenRun> {
  const { config, runDirectory, say } = options;
  const prompts = await readPromptLists(config);
  say({ kind: 'prompts', description: promptRows(prompts, config) });
  const { checkpoint } = runDirectory;
  const saved = checkpoint && readCheckpointFiles(checkpoint);
  if (saved) requireSamePrompts(prompts, { path: checkpoint.path, state: saved.state });
  const parts = await openParts(options, prompts);
  try {
    const start = saved ? await resume(options, parts, checkpoint, saved) : await begin(options, parts);
    return { ...parts, ...start };
  } catch (error) {
    await parts.close();
    throw error;
  }
}

async function openParts(
  { config, runDirectory, say, signal }: OpenOptions,
  prompts: PromptLists,
): Promise<RunParts> {
  const parts = new OpenParts(say);
  const sampling = parts.open((say) => startSampler(config, say));
  const imageShape = sampling.then((sampler) => sampler.imageShape);
  const scoring = openRewards(config, scoringStages(config), imageShape, parts);
  const measuring = openGold(config, imageShape, parts);
  const training = parts.open((say) =>
    startTrainer(config, say, { resumed: runDirectory.checkpoint !== null }),
  );
  await parts.ready();
  const [sampler, trainer] = await Promise.all([sampling, training]);
  const rewards = await scoring();
  const score = scorerOf(config, rewards);
  const gold = await measuring();
  const sessionThreads = Math.max(...Array.from(rewards.values(), (reward) => reward.sessionThreads));
  const evaluate = (policy: PolicySnapshot) =>
    evaluatePolicy({
      config,
      sampler,
      score,
      gold,
      policy,
      prompts,
      signal,
      warn: (message) => say({ kind: 'warning', message }),
      now: () => performance.now(),
    });
  return {
    prompts,
    sampler,
    rewards,
    score,
    trainer: trainer.call,
    latentShapes: trainer.latentShapes,
    computation: computationOf({ sampler, reward: { sessionThreads }, trainer }),
    evaluate,
    close: () => parts.close(),
  };
}

async function begin({ runDirectory, say, signal }: OpenOptions, parts: RunParts): Promise<RunStart> {
  const { trainer, sampler, prompts } = parts;
  const { adapter, parameters } = await trainer.shipped(undefined);
  const policy = { version: 0, parameters };
  const base = await parts.evaluate(policy);
  say({ kind: 'evaluation', evaluation: base });
  await runDirectory.recordEvaluation(base);
  await runDirectory.saveBest({ evaluation: base, adapter });
  await runDirectory.saveSamples(0, await drawGrid(sampler, policy, prompts, signal));
  const history = createHistory();
  return { completeRounds: 0, history, schedulePlace: placeAt(0), rewardQueries: 0, base, best: base };
}

async function resume(
  { runDirectory, say, signal }: OpenOptions,
  { trainer, sampler, prompts, computation }: RunParts,
  { path, completeRounds }: Checkpoint,
  { state, ...files }: ReturnType<typeof readCheckpointFiles>,
): Promise<RunStart> {
  const warn = (message: string) => say({ kind: 'warning', message });
  // Before anything is restored, the trainer holds the policy that the run started from.
  const { adapter } = await trainer.save(undefined);
  const samples = await runDirectory.readSamples(0);
  if ('png' in samples)
    await runDirectory.saveSamples(0, { png: samples.png, prompts: textsOf(gridPrompts(prompts)) });
  else {
    warn(`${samples.damage}. The pictures of the base model are made anew.`);
    const policy = { version: 0, parameters: await trainer.parameters(undefined) };
    await runDirectory.saveSamples(0, await drawGrid(sampler, policy, prompts, signal));
  }
  for (const message of computationChanges(path, state.computation, computation)) warn(message);
  await trainer.restore({ ...files, where: path });
  const best = await runDirectory.restoreBest({ evaluation: state.base, adapter });
  // The report needs the base model, whose line may have been damaged.
  if (!runDirectory.history.some((line) => line.kind === 'evaluation' && line.round === 0))
    await runDirectory.recordEvaluation(state.base);
  const { history, schedulePlace = placeAt(completeRounds), rewardQueries, base, bestProbeReward } = state;
  const savedCanary = state.canary && {
    state: state.canary,
    files: files.extras,
    read: (file: Uint8Array, name: string) => sampler.readPolicy(file, `${path}/${name}`),
  };
  return {
    ...{ completeRounds, history, schedulePlace, rewardQueries },
    ...{ base, bestProbeReward, savedCanary, best: best.evaluation },
  };
}
