import { ensureRuntime } from '../../../models/engines/onnxruntime/runtime.js';
import type { EmbeddingPlace } from '../../../models/pipeline/embeddings/embedding-file.js';
import type { SamplerSettings } from '../../../models/rollouts/sampler.js';
import { type Client, startThread } from '../../../models/threads/thread.js';
import { trainingIntervalAt } from '../../../operators/interval-schedule.js';
import { negativePart, type PromptMetadata } from '../../../prompt-metadata.js';
import { embeddingsOf } from '../../config/resolved/embeddings-of.js';
import { bucketsOf, sizeOf } from '../../config/resolved/size-of.js';
import { findStage, stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import { type AdapterChoice, loraOf, NO_ADAPTERS } from '../../directory/read-adapter.js';
import type { PolicySnapshot } from '../../messages/messages.js';
import type { Say } from '../../messages/run-events.js';
import { engineOf, openOrClose, sayOpened } from '../shared/open-thread.js';
import type { PaintedTrees, TreesRequest } from './paint-trees.js';
import type { OpenedSampler, SamplerService } from './sampler-thread.js';

interface PromptToCheck {
  readonly prompt: string;
  readonly metadata?: PromptMetadata;
}

/** The sampler's thread. It holds one policy at a time, which is sent only when it changes. */
export interface SamplerClient {
  readonly imageShape: OpenedSampler['imageShape'];
  /** [C, H, W] of pictures of evaluations. */
  readonly evaluationShape: OpenedSampler['evaluationShape'];
  readonly evaluationBatch: OpenedSampler['evaluationBatch'];
  readonly baseParameters: OpenedSampler['baseParameters'];
  /** Parameters of the denoiser in the adapters that it was started with. */
  readonly fileParameters: OpenedSampler['fileParameters'];
  /** The parameters in the bytes of a policy file. */
  readPolicy(bytes: Uint8Array, where: string): Promise<PolicySnapshot['parameters']>;
  /** What is wrong with each prompt; null where it can be rolled out. */
  checkPrompts(prompts: readonly PromptToCheck[]): Promise<readonly (string | null)[]>;
  /**
   * Does work with a policy, one piece at a time and in order: a rollout that runs ahead must not change the policy in the
   * middle of an evaluation. Urgent work goes before all that waits.
   */
  withPolicy<Result>(
    policy: PolicySnapshot,
    work: (call: Client<SamplerService>) => Promise<Result>,
    options?: { readonly isUrgent: boolean },
  ): Promise<Result>;
  /** Pictures of picked trees; the policy does not matter. */
  paintTrees(request: TreesRequest, signal: AbortSignal): Promise<PaintedTrees>;
  close(): Promise<void>;
}

function samplerSettings(config: ResolvedConfig): SamplerSettings {
  const {
    type: _,
    lingerMs: __,
    sampleFrom: ___,
    chunkSize: ____,
    negativePrompt: _____,
    width: ______,
    height: _______,
    buckets: ________,
    ...settings
  } = stageOf(config, 'sampler');
  return { ...settings, seed: config.seed, noiseFor: 'training' };
}

/** What evaluation pictures are drawn with, where that is not as in training. */
function evaluationOf({ evaluation }: ResolvedConfig) {
  const { seed, eta, numInferenceSteps, guidanceScale, width, height } = evaluation;
  return {
    ...{ seed, eta, size: { width, height } },
    ...(numInferenceSteps !== undefined && { numInferenceSteps }),
    ...(guidanceScale !== undefined && { guidanceScale }),
  };
}

/** Steps that the first round trains; none where only pictures are drawn. */
function firstTrainedSteps(config: ResolvedConfig): readonly number[] {
  const [sampler, prompts] = [stageOf(config, 'sampler'), findStage(config, 'prompts')];
  const schedule = findStage(config, 'schedule');
  if (!prompts || !schedule) return [];
  return trainingIntervalAt(0, {
    spec: schedule,
    numInferenceSteps: sampler.numInferenceSteps,
    numRounds: prompts.numRounds,
    plannedRounds: prompts.plannedRounds,
  }).trainedSteps;
}

/**
 * Starts the sampler: pipeline loaded, graph compiled, for what the config trains or for adapters in files.
 *
 * @param adapters what to sample by in place of a policy that is trained; a model needs no layers for an adapter then.
 * @param embeddings textual inversions beside those of the config.
 */
export async function startSampler(
  config: ResolvedConfig,
  say: Say,
  adapters?: AdapterChoice,
  embeddings: readonly EmbeddingPlace[] = [],
): Promise<SamplerClient & Pick<OpenedSampler, 'provider' | 'sessionThreads'>> {
  await ensureRuntime((message) => say({ kind: 'warning', message }));
  const lora = loraOf(config);
  const thread = startThread<SamplerService>(new URL('./sampler-thread.js', import.meta.url), 'sampler');
  const opened = await openOrClose(thread, () =>
    thread.call.open({
      engine: engineOf(config, 'sampler'),
      pipeline: config.model.pipeline,
      lora: lora && (adapters ? { ...lora, isOptional: true, textEncoder: undefined } : lora),
      adapters: adapters ?? NO_ADAPTERS,
      embeddings: [...embeddingsOf(config), ...embeddings],
      precision: config.model.precision,
      sampler: samplerSettings(config),
      negativePrompt: stageOf(config, 'sampler').negativePrompt,
      chunkSize: stageOf(config, 'sampler').chunkSize,
      trainedSteps: firstTrainedSteps(config),
      size: sizeOf(config),
      extraChannels: config.model.extraChannels,
      buckets: bucketsOf(config),
      evaluation: evaluationOf(config),
    }),
  );
  // The trainer reads the same pipeline; once is enough.
  sayOpened(say, 'sampler', opened, [...opened.corrections, ...opened.warnings]);
  // Compared by identity: after a resume the same version may be another policy.
  let held: PolicySnapshot['parameters'] | undefined;
  const turns = takeTurns();
  return {
    provider: opened.provider,
    sessionThreads: opened.sessionThreads,
    imageShape: opened.imageShape,
    evaluationShape: opened.evaluationShape,
    evaluationBatch: opened.evaluationBatch,
    baseParameters: opened.baseParameters,
    fileParameters: opened.fileParameters,
    readPolicy: (bytes, where) => thread.call.readPolicy({ bytes, where }),
    checkPrompts: (prompts) =>
      thread.call.checkPrompts(
        prompts.map(({ prompt, metadata }) => ({ prompt, ...negativePart(metadata) })),
      ),
    withPolicy(policy, work, { isUrgent } = { isUrgent: false }) {
      return turns(isUrgent, async () => {
        if (policy.parameters !== held) {
          held = undefined;
          await thread.call.usePolicy(policy.parameters);
          held = policy.parameters;
        }
        return work(thread.call);
      });
    },
    paintTrees: (request, signal) => thread.call.paintTrees(request, { signal }),
    close: () => thread.close(),
  };
}

/** Returns what runs pieces of work one after another: the urgent ones first, otherwise in order. */
function takeTurns() {
  const urgent: (() => Promise<void>)[] = [];
  const others: (() => Promise<void>)[] = [];
  let isBusy = false;
  const run = async (): Promise<void> => {
    if (isBusy) return;
    isBusy = true;
    for (let turn = urgent.shift() ?? others.shift(); turn; turn = urgent.shift() ?? others.shift())
      await turn();
    isBusy = false;
  };
  return <Result>(isUrgent: boolean, work: () => Promise<Result>): Promise<Result> =>
    new Promise((resolve, reject) => {
      (isUrgent ? urgent : others).push(() => work().then(resolve, reject));
      void run();
    });
}
