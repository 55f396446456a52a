import { ensureRuntime } from '../../../models/engines/onnxruntime/runtime.js';
import type { TrainerSettings } from '../../../models/policy/trainer-settings.js';
import { type Client, startThread } from '../../../models/threads/thread.js';
import { embeddingsOf } from '../../config/resolved/embeddings-of.js';
import { bucketsOf, sizeOf } from '../../config/resolved/size-of.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import { loraOf } from '../../directory/read-adapter.js';
import type { Say } from '../../messages/run-events.js';
import { engineOf, openOrClose, sayOpened } from '../shared/open-thread.js';
import type { OpenedTrainer, TrainerService } from './trainer-thread.js';

function trainerSettings(config: ResolvedConfig): TrainerSettings {
  const { numInferenceSteps, eta, stochasticSteps, sde, logProb, guidanceScale } = stageOf(config, 'sampler');
  const { numRounds, plannedRounds = numRounds } = stageOf(config, 'prompts');
  return {
    ...stageOf(config, 'trainer'),
    seed: config.seed,
    lora: loraOf(config),
    guidanceScale,
    measureKl: config.guards.klToPretrained.action !== 'off',
    sampling: { numInferenceSteps, eta, stochasticSteps, sde, logProb },
    precision: config.model.precision,
    plannedRounds,
  };
}

/** The trainer's thread. */
interface TrainerThread extends Pick<OpenedTrainer, 'latentShapes' | 'provider' | 'sessionThreads'> {
  readonly call: Client<TrainerService>;
  /** Lets it finish what it does. */
  close(): Promise<void>;
}

/** Starts the trainer: derives and compiles the training graph, and makes a new adapter. */
export async function startTrainer(
  config: ResolvedConfig,
  say: Say,
  { resumed }: { readonly resumed: boolean },
): Promise<TrainerThread> {
  const { value } = stageOf(config, 'trainer');
  await ensureRuntime((message) => say({ kind: 'warning', message }));
  const thread = startThread<TrainerService>(new URL('./trainer-thread.js', import.meta.url), 'trainer');
  const settings = {
    engine: engineOf(config, 'trainer'),
    pipeline: config.model.pipeline,
    negativePrompt: stageOf(config, 'sampler').negativePrompt,
    size: sizeOf(config),
    extraChannels: config.model.extraChannels,
    buckets: bucketsOf(config),
    embeddings: embeddingsOf(config),
    lora: loraOf(config),
    trainer: trainerSettings(config),
    // A checkpoint holds what became of it.
    startFrom: resumed ? null : (config.model.startFrom ?? null),
    value: value.type === 'network' ? value : null,
  };
  const opened = await openOrClose(thread, () => thread.call.open(settings));
  sayOpened(say, 'trainer', opened, opened.warnings);
  const { latentShapes, provider, sessionThreads } = opened;
  return { call: thread.call, latentShapes, provider, sessionThreads, close: () => thread.close() };
}
