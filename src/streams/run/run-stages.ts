import { ignoreElements, merge, type Observable, tap } from 'rxjs';
import type { Client } from '../../models/threads/thread.js';
import type { AdvantageHistory, SchedulePlace } from '../../operators/index.js';
import { roleOf } from '../config/graph/topology-graph.js';
import { scoringStages } from '../config/resolved/reward-parts.js';
import type { TopicMessages } from '../messages/messages.js';
import { advantagesStage } from '../stages/advantages/advantages-stage.js';
import { combineStage } from '../stages/combine/combine-stage.js';
import { type Gateway, gatewayStage } from '../stages/gateway/gateway-stage.js';
import { type StageType, TRAINER_ROLE } from '../stages/index.js';
import type { MessageOperator } from '../stages/operator/load-operator.js';
import { operatorStage } from '../stages/operator/operator-stage.js';
import { type PromptSource, promptsStage } from '../stages/prompts/prompts-stage.js';
import { rewardStage } from '../stages/reward/reward-stage.js';
import type { RewardThreads } from '../stages/reward/scorers.js';
import type { SamplerClient } from '../stages/sampler/client.js';
import { samplerStage } from '../stages/sampler/sampler-stage.js';
import { scheduleStage } from '../stages/schedule/schedule-stage.js';
import type { StageContext } from '../stages/shared/stage-context.js';
import { tapStage } from '../stages/tap/tap-stage.js';
import { type AfterRound, trainerStage } from '../stages/trainer/trainer-stage.js';
import type { OpenedTrainer, TrainerService } from '../stages/trainer/trainer-thread.js';
import type { Transport } from '../transport/contract/transport.js';
import { stageTransport } from '../transport/stage-transport.js';

/** What stages work with; nothing is needed for those that run elsewhere. */
export interface StageParts {
  readonly prompts: {
    readonly source: PromptSource;
    readonly onIssued: (round: number) => void;
    readonly onEnd: () => void;
  };
  readonly sampler: SamplerClient;
  readonly rewards: RewardThreads;
  readonly gateway: Gateway;
  /** By name of the stage. */
  readonly operators: ReadonlyMap<string, MessageOperator>;
  readonly trainer: {
    readonly trainer: Client<TrainerService>;
    readonly history: AdvantageHistory;
    /** Of the first round. */
    readonly schedulePlace: SchedulePlace;
    /** Numbers in a latent of the model. */
    readonly latentShapes: OpenedTrainer['latentShapes'];
    /** Leading sampler steps that draw noise under the model's scheduler; undefined: all. */
    readonly noisySteps: number | undefined;
    /** Counts what passes; it is subscribed to before anything is sent. */
    readonly observe: (transport: Transport<TopicMessages>) => Observable<never>;
    readonly afterRound: AfterRound;
    readonly onClosed: (round: number) => void;
    readonly onTrained: (round: number) => void;
  };
}

/** Stages start in this order: what reads a topic before what writes it, and the prompts, which start all work, last. */
const START_ORDER: readonly StageType[] = [
  'schedule',
  'advantages',
  'trainer',
  'sampler',
  'reward',
  'combine',
  'operator',
  'tap',
  'gateway',
  'prompts',
];

/** Returns the names of the stages of some roles, in the order in which they start. */
export function stagesOf({ config }: Pick<StageContext, 'config'>, roles: readonly string[]): string[] {
  const rank = (name: string) => START_ORDER.indexOf(config.stages[name]?.type ?? 'prompts');
  return Object.keys(config.stages)
    .filter((name) => roles.includes(roleOf(config, name)))
    .sort((a, b) => rank(a) - rank(b));
}

/** Runs the stages of some roles. Errs with the first stage that errs. */
export function runStages(
  context: StageContext,
  roles: readonly string[],
  parts: Partial<StageParts>,
): Observable<never> {
  const names = stagesOf(context, roles);
  const isControlled = names.some((name) =>
    ['prompts', 'trainer'].includes(context.config.stages[name]?.type ?? ''),
  );
  return merge(
    ...(isControlled ? [context.control.follow$] : []),
    ...(parts.trainer && roles.includes(TRAINER_ROLE) ? [parts.trainer.observe(context.transport)] : []),
    ...names.flatMap((name) => startStage(wired(context, name), name, parts, context)),
  );
}

/** The context as one stage sees it. */
function wired(context: StageContext, name: string): StageContext {
  return { ...context, transport: stageTransport(context.transport, context.config, name) };
}

/** Starts one stage; nothing where its part is not open. */
function startStage(
  context: StageContext,
  name: string,
  { prompts, sampler, rewards, gateway, operators, trainer }: Partial<StageParts>,
  unwired: StageContext,
): Observable<never>[] {
  const stage = context.config.stages[name];
  switch (stage?.type) {
    case 'schedule':
      return trainer ? [scheduleStage(context, trainer.noisySteps)] : [];
    case 'advantages':
      return trainer
        ? [advantagesStage(context, trainer.history, trainer.latentShapes, trainer.onClosed)]
        : [];
    case 'trainer':
      return trainer ? [trained(context, trainer)] : [];
    case 'sampler':
      return sampler ? [samplerStage(context, sampler)] : [];
    case 'reward': {
      const thread = rewards?.get(name);
      const source = scoringStages(context.config).find((one) => one.name === name);
      return thread && source ? [rewardStage(context, thread, source)] : [];
    }
    case 'combine':
      return [combineStage(context, stage)];
    case 'gateway':
      return gateway ? [gatewayStage(context, gateway.parts)] : [];
    // These name their topics themselves.
    case 'operator': {
      const operator = operators?.get(name);
      return operator ? [operatorStage(unwired, name, stage, operator)] : [];
    }
    case 'tap':
      return [tapStage(unwired, name, stage)];
    case 'prompts':
      return prompts
        ? [promptsStage(context, prompts.source, prompts.onIssued).pipe(tap({ complete: prompts.onEnd }))]
        : [];
    case undefined:
      return [];
    default:
      return stage satisfies never;
  }
}

function trained(
  context: StageContext,
  { trainer, schedulePlace, afterRound, onTrained }: StageParts['trainer'],
): Observable<never> {
  return trainerStage(context, trainer, schedulePlace, afterRound).pipe(
    tap(({ closed }) => onTrained(closed.round)),
    ignoreElements(),
  );
}
