/** @file What a run opens before its first round: prompts, threads, the state it starts from. */

import type { Client } from '../../models/threads/thread.js';
import { type AdvantageHistory, createHistory } from '../../operators/index.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { readCheckpointFiles } from '../directory/checkpoint-files.js';
import { type Computation, computationChanges, computationOf } from '../directory/computation.js';
import type { RunDirectory } from '../directory/run-directory.js';
import type { PolicySnapshot } from '../messages/messages.js';
import type { Evaluation } from '../messages/run-events.js';
import { type PromptLists, promptRows, readPromptLists } from '../prompt-files/read-prompts.js';
import { type RewardThread, startReward } from '../stages/reward/client.js';
import { type SamplerClient, startSampler } from '../stages/sampler/client.js';
import type { Say } from '../stages/shared/open-thread.js';
import { startTrainer } from '../stages/trainer/client.js';
import type { TrainerService } from '../stages/trainer/trainer-thread.js';
import { evaluatePolicy } from './evaluate-policy.js';
import { requireSamePrompts } from './resume-checks.js';
import { GRID_COLUMNS, GRID_SCALE, gridPrompts } from './sample-grid.js';

export interface OpenRun {
  readonly prompts: PromptLists;
  readonly sampler: SamplerClient;
  readonly reward: RewardThread;
  readonly trainer: Client<TrainerService>;
  /** Numbers in a latent of the model. */
  readonly latentSize: number;
  /** Rounds that are complete: where the run starts. */
  readonly completeRounds: number;
  readonly history: AdvantageHistory;
  /** Images scored before the start. */
  readonly rewardQueries: number;
  /** Mean reward of the best policy on the probe of the gate, before a resume. */
  readonly bestProbeReward?: number | undefined;
  /** What it is computed with. */
  readonly computation: Computation;
  /** How the base model does. */
  readonly base: Evaluation;
  /** How the best policy so far does; its adapter lies in the run directory. */
  readonly best: Evaluation;
  evaluate(policy: PolicySnapshot): Promise<Evaluation>;
  close(): Promise<void>;
}

/** Opens a run: a new one measures the base model, a resumed one takes everything from its checkpoint. */
export async function openRun(
  config: ResolvedConfig,
  runDirectory: RunDirectory,
  say: Say,
  signal: AbortSignal,
): Promise<OpenRun> {
  const prompts = await readPromptLists(config);
  say({ kind: 'prompts', description: promptRows(prompts) });
  const { checkpoint } = runDirectory;
  const saved = checkpoint && readCheckpointFiles(checkpoint);
  if (saved) requireSamePrompts(prompts, { path: checkpoint.path, state: saved.state });
  const closers: (() => Promise<void>)[] = [];
  const owned = <Thread extends { close(): Promise<void> }>(thread: Thread): Thread => {
    closers.push(() => thread.close());
    return thread;
  };
  const close = async () => {
    for (const closer of closers) await closer();
  };
  try {
    const sampler = owned(await startSampler(config, say));
    const reward = owned(await startReward(config, sampler.imageShape, say));
    const {
      call: trainer,
      latentSize,
      provider,
    } = owned(await startTrainer(config, say, { resumed: checkpoint !== null }));
    const computation = computationOf(config, { sampler: sampler.provider, trainer: provider });
    const evaluate = (policy: PolicySnapshot) =>
      evaluatePolicy({
        config,
        sampler,
        reward: reward.call,
        policy,
        prompts,
        signal,
        warn: (message) => say({ kind: 'warning', message }),
        now: () => performance.now(),
      });
    const shown = gridPrompts(prompts);
    const sampleBase = async (policy: PolicySnapshot) => {
      const png = await sampler.withPolicy(policy, (call) =>
        call.sampleGrid({ prompts: shown, columns: GRID_COLUMNS, scale: GRID_SCALE }, { signal }),
      );
      await runDirectory.saveSamples(0, { png, prompts: shown });
    };
    // Before anything is restored, the trainer holds the policy that the run starts from.
    const { adapter } = await trainer.save(undefined);
    if (saved) {
      const { state, ...files } = saved;
      const samples = await runDirectory.readSamples(0);
      if ('png' in samples) await runDirectory.saveSamples(0, { png: samples.png, prompts: shown });
      else {
        say({ kind: 'warning', message: `${samples.damage}. The pictures of the base model are made anew.` });
        await sampleBase({ version: 0, parameters: await trainer.parameters(undefined) });
      }
      for (const message of computationChanges(checkpoint.path, state.computation, computation))
        say({ kind: 'warning', message });
      await trainer.restore({ ...files, where: checkpoint.path });
      const best = await runDirectory.restoreBest({ evaluation: state.base, adapter });
      // The report compares with the base model, whose line may have been damaged.
      if (!runDirectory.history.some((line) => line.kind === 'evaluation' && line.round === 0))
        await runDirectory.recordEvaluation(state.base);
      return {
        prompts,
        sampler,
        reward,
        trainer,
        latentSize,
        evaluate,
        close,
        completeRounds: checkpoint.completeRounds,
        ...state,
        computation,
        best: best.evaluation,
      };
    }
    const policy = { version: 0, parameters: await trainer.parameters(undefined) };
    const base = await evaluate(policy);
    say({ kind: 'evaluation', evaluation: base });
    await runDirectory.recordEvaluation(base);
    await runDirectory.saveBest({ evaluation: base, adapter });
    await sampleBase(policy);
    return {
      prompts,
      sampler,
      reward,
      trainer,
      latentSize,
      evaluate,
      close,
      completeRounds: 0,
      history: createHistory(),
      rewardQueries: 0,
      computation,
      base,
      best: base,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
