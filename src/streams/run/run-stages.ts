import { ignoreElements, merge, type Observable, tap } from 'rxjs';
import type { Client } from '../../models/threads/thread.js';
import type { AdvantageHistory, SchedulePlace } from '../../operators/index.js';
import type { TopicMessages } from '../messages/messages.js';
import { advantagesStage } from '../stages/advantages/advantages-stage.js';
import type { Role } from '../stages/index.js';
import { type PromptSource, promptsStage } from '../stages/prompts/prompts-stage.js';
import type { RewardThread } from '../stages/reward/client.js';
import { rewardStage } from '../stages/reward/reward-stage.js';
import type { SamplerClient } from '../stages/sampler/client.js';
import { samplerStage } from '../stages/sampler/sampler-stage.js';
import { scheduleStage } from '../stages/schedule/schedule-stage.js';
import type { StageContext } from '../stages/shared/stage-context.js';
import { type AfterRound, trainerStage } from '../stages/trainer/trainer-stage.js';
import type { TrainerService } from '../stages/trainer/trainer-thread.js';
import type { Transport } from '../transport/contract/transport.js';

/** What each role works with; nothing is needed for a role that runs elsewhere. */
export interface RoleParts {
  readonly prompts: {
    readonly source: PromptSource;
    readonly onIssued: (round: number) => void;
    readonly onEnd: () => void;
  };
  readonly sampler: SamplerClient;
  readonly reward: RewardThread;
  readonly trainer: {
    readonly trainer: Client<TrainerService>;
    readonly history: AdvantageHistory;
    /** Of the first round. */
    readonly schedulePlace: SchedulePlace;
    /** Numbers in a latent of the model. */
    readonly latentSize: number;
    /** Leading sampler steps that draw noise under the model's scheduler; undefined: all. */
    readonly noisySteps: number | undefined;
    /** Counts what passes; it is subscribed to before anything is sent. */
    readonly observe: (transport: Transport<TopicMessages>) => Observable<never>;
    readonly afterRound: AfterRound;
    readonly onClosed: (round: number) => void;
    readonly onTrained: (round: number) => void;
  };
}

/** Runs the stages of some roles. The prompts, which start all work, come last. Errs with the first stage that errs. */
export function runStages(
  context: StageContext,
  roles: readonly Role[],
  parts: Partial<RoleParts>,
): Observable<never> {
  const has = <Name extends Role>(role: Name) => (roles.includes(role) ? parts[role] : undefined);
  const [trainer, sampler, reward, prompts] = [has('trainer'), has('sampler'), has('reward'), has('prompts')];
  return merge(
    ...(trainer || prompts ? [context.control.follow$] : []),
    ...(trainer ? trainerStages(context, trainer) : []),
    ...(sampler ? [samplerStage(context, sampler)] : []),
    ...(reward ? [rewardStage(context, reward)] : []),
    ...(prompts
      ? [promptsStage(context, prompts.source, prompts.onIssued).pipe(tap({ complete: prompts.onEnd }))]
      : []),
  );
}

function trainerStages(
  context: StageContext,
  {
    trainer,
    history,
    schedulePlace,
    latentSize,
    noisySteps,
    observe,
    afterRound,
    onClosed,
    onTrained,
  }: RoleParts['trainer'],
): Observable<never>[] {
  return [
    observe(context.transport),
    scheduleStage(context, noisySteps),
    advantagesStage(context, history, latentSize, onClosed),
    trainerStage(context, trainer, schedulePlace, afterRound).pipe(
      tap(({ closed }) => onTrained(closed.round)),
      ignoreElements(),
    ),
  ];
}
