import { ensureRuntime } from '../../../models/engines/onnxruntime/runtime.js';
import { type Client, startThread } from '../../../models/threads/thread.js';
import { stageOf } from '../../config/resolved/stage-of.js';
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
 * Starts the reward model, or the client of the service that scores.
 *
 * @param imageShape of the pictures; null where the pipeline has to be asked.
 */
export async function startReward(
  config: ResolvedConfig,
  imageShape: OpenedReward['imageShape'] | Promise<OpenedReward['imageShape']> | null,
  say: Say,
): Promise<RewardThread & { close(): Promise<void> }> {
  const { name: _, ...source } = stageOf(config, 'reward');
  await ensureRuntime((message) => say({ kind: 'warning', message }));
  const thread = startThread<RewardService>(new URL('./reward-thread.js', import.meta.url), 'reward');
  const { pipeline } = config.model;
  const { verifier } = config.evaluation;
  const opened = await openOrClose(thread, async () =>
    thread.call.open({
      engine: onnxRuntimeOf(config),
      source,
      pipeline,
      verifier,
      imageShape: await imageShape,
    }),
  );
  if (opened.runsOn) sayOpened(say, 'reward', opened.runsOn);
  const { runsOn, imageShape: shape } = opened;
  const sessionThreads = runsOn?.sessionThreads ?? 0;
  return { call: thread.call, imageShape: shape, sessionThreads, close: () => thread.close() };
}
