/** @file The threads of a run: sampler, reward, trainer. Each starts its own engine, and says which provider it uses. */

import type { SamplerSettings } from '../../models/diffusion/sampler.js';
import type { Provider } from '../../models/engines/engine.js';
import type { EngineSettings } from '../../models/engines/open-engine.js';
import type { Client, ServiceThread } from '../../models/engines/thread.js';
import { startThread } from '../../models/engines/thread.js';
import type { TrainerSettings } from '../../models/policy/trainer.js';
import { trainingIntervalAt } from '../../operators/interval-schedule.js';
import { findStage, stageOf } from '../config/stage-of.js';
import type { ResolvedConfig } from '../config/topology-schema.js';
import type { PolicySnapshot } from '../messages.js';
import { loraOf } from '../read-adapter.js';
import type { RunEvent } from '../run-events.js';
import type { OpenedReward, RewardService } from '../threads/reward-thread.js';
import type { OpenedSampler, SamplerService } from '../threads/sampler-thread.js';
import type { OpenedTrainer, TrainerService } from '../threads/trainer-thread.js';

export type Say = (event: RunEvent) => void;

const threadUrl = (name: string) => new URL(`../threads/${name}-thread.js`, import.meta.url);

/** The sampler's thread. It holds one policy at a time, which is sent only when it is another one. */
export interface SamplerClient {
  readonly imageShape: OpenedSampler['imageShape'];
  readonly baseParameters: OpenedSampler['baseParameters'];
  /** Of the policy file that it was started with. */
  readonly fileParameters: OpenedSampler['fileParameters'];
  /** The parameters that the bytes of a policy file hold. */
  readPolicy(bytes: Uint8Array, where: string): Promise<PolicySnapshot['parameters']>;
  /** What is wrong with each prompt; null where it can be rolled out. */
  checkPrompts(prompts: readonly string[]): Promise<readonly (string | null)[]>;
  /**
   * Samples by a policy, one `work` at a time and in order: a rollout of a stage that runs ahead must not change the policy
   * in the middle of an evaluation.
   */
  withPolicy<Result>(
    policy: PolicySnapshot,
    work: (call: Client<SamplerService>) => Promise<Result>,
  ): Promise<Result>;
  close(): Promise<void>;
}

/** The reward model's thread, or the client of the service that scores. */
export interface RewardThread {
  readonly call: Client<RewardService>;
  /** [C, H, W] of the pictures that it scores. */
  readonly imageShape: OpenedReward['imageShape'];
}

/** A thread that is ready; closing lets it finish what it does. */
export interface OpenThread<Service> {
  readonly call: Service;
  close(): Promise<void>;
}

/** Opens a thread's service, or ends the thread when that fails. */
async function opening<Opened>(thread: { close(): Promise<void> }, open: Promise<Opened>): Promise<Opened> {
  try {
    return await open;
  } catch (error) {
    await thread.close();
    throw error;
  }
}

const sayProvider = (
  say: Say,
  stage: string,
  { provider, fallbacks }: { readonly provider: Provider; readonly fallbacks: readonly string[] },
) => say({ kind: 'provider', stage, provider, fallbacks });

export function samplerSettings(config: ResolvedConfig): SamplerSettings {
  const { type: _, lingerMs: __, sampleFrom: ___, ...settings } = stageOf(config, 'branchRollouts');
  return { ...settings, seed: config.seed, noiseFor: 'training' };
}

function trainerSettings(config: ResolvedConfig): TrainerSettings {
  const trainer = stageOf(config, 'gradientSteps');
  const { numInferenceSteps, eta, stochasticSteps, sde, guidanceScale } = stageOf(config, 'branchRollouts');
  const { learningRate, adamBeta1, adamBeta2, adamEpsilon, weightDecay } = trainer;
  return {
    seed: config.seed,
    lora: loraOf(config),
    guidanceScale,
    surrogate: trainer.surrogate,
    measureKl: config.guards.klToPretrained.action !== 'off',
    updates: trainer.updates,
    stepWeighting: trainer.stepWeighting,
    sampling: { numInferenceSteps, eta, stochasticSteps, sde },
    minibatchSize: trainer.minibatchSize,
    gradientCheckpointing: trainer.gradientCheckpointing,
    precision: config.model.precision,
    lossScale: trainer.lossScale,
    maxGradNorm: trainer.maxGradNorm,
    learningRateSchedule: trainer.learningRateSchedule,
    loraPlusRatio: trainer.loraPlusRatio,
    samplingPolicyDecay: trainer.samplingPolicyDecay,
    numStages: stageOf(config, 'prompts').numStages,
    optimizer: { learningRate, adamBeta1, adamBeta2, adamEpsilon, weightDecay },
  };
}

/** Steps that the first training stage trains; none where only pictures are drawn. */
function firstTrainedSteps(config: ResolvedConfig): readonly number[] {
  const [sampler, prompts] = [stageOf(config, 'branchRollouts'), findStage(config, 'prompts')];
  const schedule = findStage(config, 'intervalSchedule');
  if (!prompts || !schedule) return [];
  return trainingIntervalAt(schedule, 0, sampler.numInferenceSteps, prompts.numStages).trainedSteps;
}

const engineOf = ({ engine }: ResolvedConfig, stage: 'sampler' | 'trainer'): EngineSettings => ({
  engine: engine[stage],
  providers: engine.providers,
  threads: engine.threads,
  tfjs: engine.tfjs,
});

const sayWarnings = (say: Say, warnings: readonly string[]) => {
  for (const message of warnings) say({ kind: 'warning', message });
};

/**
 * Starts the sampler: pipeline loaded, graph compiled, for what the config trains or for the policy of a file.
 *
 * @param policyFile the file, or its folder.
 */
export async function startSampler(
  config: ResolvedConfig,
  say: Say,
  policyFile: string | null = null,
): Promise<SamplerClient & Pick<OpenedSampler, 'provider'>> {
  const thread: ServiceThread<SamplerService> = startThread<SamplerService>(threadUrl('sampler'), 'sampler');
  const opened = await opening(
    thread,
    thread.call.open({
      engine: engineOf(config, 'sampler'),
      pipeline: config.model.pipeline,
      lora: loraOf(config),
      policyFile,
      precision: config.model.precision,
      sampler: samplerSettings(config),
      trainedSteps: firstTrainedSteps(config),
      evaluation: { seed: config.evaluation.seed, eta: config.evaluation.eta },
    }),
  );
  sayProvider(say, 'sampler', opened);
  // The trainer reads the same pipeline; once is enough.
  sayWarnings(say, [...opened.corrections, ...opened.warnings]);
  // By what they are: a run that was set back gives a version that was there before to another policy.
  let held: PolicySnapshot['parameters'] | undefined;
  let last: Promise<unknown> = Promise.resolve();
  return {
    provider: opened.provider,
    imageShape: opened.imageShape,
    baseParameters: opened.baseParameters,
    fileParameters: opened.fileParameters,
    readPolicy: (bytes, where) => thread.call.readPolicy({ bytes, where }),
    checkPrompts: (prompts) => thread.call.checkPrompts(prompts),
    withPolicy(policy, work) {
      const turn = async () => {
        if (policy.parameters !== held) {
          held = undefined;
          await thread.call.usePolicy(policy.parameters);
          held = policy.parameters;
        }
        return work(thread.call);
      };
      const result = last.then(turn);
      last = result.catch(() => {});
      return result;
    },
    close: () => thread.close(),
  };
}

/**
 * Starts the reward model, or the client of the service that scores. Without the shape of the pictures it asks the pipeline
 * for it.
 */
export async function startReward(
  config: ResolvedConfig,
  imageShape: OpenedSampler['imageShape'] | null,
  say: Say,
): Promise<RewardThread & { close(): Promise<void> }> {
  const { name: _, ...source } = stageOf(config, 'scoreRewards');
  const thread = startThread<RewardService>(threadUrl('reward'), 'reward');
  const { pipeline } = config.model;
  const { providers, threads } = config.engine;
  const { verifier } = config.evaluation;
  const opened = await opening(
    thread,
    thread.call.open({ engine: { providers, threads }, source, pipeline, verifier, imageShape }),
  );
  if (opened.runsOn) sayProvider(say, 'reward', opened.runsOn);
  return { call: thread.call, imageShape: opened.imageShape, close: () => thread.close() };
}

/** Starts the trainer: training graph derived and compiled, adapter fresh. */
export async function startTrainer(
  config: ResolvedConfig,
  say: Say,
  { resumed }: { readonly resumed: boolean },
): Promise<OpenThread<Client<TrainerService>> & Pick<OpenedTrainer, 'latentSize' | 'provider'>> {
  const { value } = stageOf(config, 'gradientSteps');
  const thread = startThread<TrainerService>(threadUrl('trainer'), 'trainer');
  const settings = {
    engine: engineOf(config, 'trainer'),
    pipeline: config.model.pipeline,
    lora: loraOf(config),
    trainer: trainerSettings(config),
    // A checkpoint holds what has become of it.
    startFrom: resumed ? null : (config.model.startFrom ?? null),
    value: value.type === 'network' ? value : null,
  };
  const opened = await opening(thread, thread.call.open(settings));
  sayProvider(say, 'trainer', opened);
  sayWarnings(say, opened.warnings);
  const { latentSize, provider } = opened;
  return { call: thread.call, latentSize, provider, close: () => thread.close() };
}
