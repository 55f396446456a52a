import { ensureRuntime } from '../../../models/engines/onnxruntime/runtime.js';
import { type Client, startThread } from '../../../models/threads/thread.js';
import { type NamedScorer, scoringStages } from '../../config/resolved/reward-parts.js';
import { sizeOf } from '../../config/resolved/size-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { Say } from '../../messages/run-events.js';
import { onnxRuntimeOf, openOrClose, sayOpened } from '../shared/open-thread.js';
import type { OpenedReward, RewardService } from './reward-thread.js';

/** The reward model's thread, or the client of the service that scores. */
export interface RewardThread {
  readonly call: Client<RewardService>;
  /** [C, H, W] of the pictures that it scores. */
  readonly imageShape: OpenedReward['imageShape'];
  /** Threads of one session of its graphs; 0 where it has none. */
  readonly sessionThreads: number;
}

/**
 * Starts the reward model of a stage or of an evaluation, or the client of the service that scores for it. The verifier works
 * beside the first stage alone.
 *
 * @param imageShape of the pictures; null where the pipeline has to be asked.
 */
export async function startReward(
  config: ResolvedConfig,
  { name, ...source }: NamedScorer,
  imageShape: OpenedReward['imageShape'] | Promise<OpenedReward['imageShape']> | null,
  say: Say,
): Promise<RewardThread & { close(): Promise<void> }> {
  await ensureRuntime((message) => say({ kind: 'warning', message }));
  const thread = startThread<RewardService>(new URL('./reward-thread.js', import.meta.url), 'reward');
  const { pipeline } = config.model;
  const isFirst = scoringStages(config)[0]?.name === name;
  const verifier = isFirst ? config.evaluation.verifier : 'none';
  const opened = await openOrClose(thread, async () =>
    thread.call.open({
      engine: onnxRuntimeOf(config),
      source,
      pipeline,
      size: sizeOf(config),
      extraChannels: config.model.extraChannels,
      verifier,
      imageShape: await imageShape,
    }),
  );
  if (opened.runsOn) sayOpened(say, name, opened.runsOn);
  const { runsOn, imageShape: shape } = opened;
  const sessionThreads = runsOn?.sessionThreads ?? 0;
  return { call: thread.call, imageShape: shape, sessionThreads, close: () => thread.close() };
}
