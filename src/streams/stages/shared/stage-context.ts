import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { RunControl } from '../../control/run-control.js';
import type { TopicMessages } from '../../messages/messages.js';
import type { RunEvent } from '../../messages/run-events.js';
import type { Transport } from '../../transport/contract/transport.js';

/** What every stage is given. */
export interface StageContext {
  readonly config: ResolvedConfig;
  readonly transport: Transport<TopicMessages>;
  /** The round that a run starts or resumes at. */
  readonly firstRound: number;
  /** Takes what a stage has to say. */
  readonly say: (event: RunEvent) => void;
  /** Aborted when the run shall stop after what is in flight. */
  readonly stopping: AbortSignal;
  /** Aborted when the run shall stop at once. */
  readonly canceling: AbortSignal;
  readonly control: RunControl;
  /** What guards and operators have made of the learning rate, above 0; ask before each round. */
  readonly learningRateScale: () => number;
  /** SHA-256 of the training prompts of the file, where the trainer is; it is part of the progress. */
  readonly trainPrompts?: string;
}
