import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { RunControl } from '../../control/run-control.js';
import type { TopicMessages } from '../../messages/messages.js';
import type { Observe } from '../../messages/observations.js';
import type { RunEvent } from '../../messages/run-events.js';
import type { Transport } from '../../transport/contract/transport.js';
import type { PartialRounds } from './partial-rounds.js';

/** What every stage is given. */
export interface StageContext {
  readonly config: ResolvedConfig;
  readonly transport: Transport<TopicMessages>;
  /** The round that a run starts or resumes at. */
  readonly firstRound: number;
  readonly say: (event: RunEvent) => void;
  /** Hears of this process besides; absent where nobody asks. */
  readonly observe?: Observe | undefined;
  /** Aborted to stop the run after what is in flight. */
  readonly stopping: AbortSignal;
  /** Aborted to stop the run at once. */
  readonly canceling: AbortSignal;
  readonly control: RunControl;
  /** Factor that guards and operators put on the learning rate, above 0; read it before each round. */
  readonly learningRateScale: () => number;
  /** SHA-256 of the training prompts, in the trainer's process; it is part of the progress. */
  readonly trainPrompts?: string;
  /** Rounds that lack some of their groups, in the trainer's process of a run with a gateway; they are part of the progress. */
  readonly partialRounds?: PartialRounds;
}
