/** @file Messages of one topic through somebody's operator, and what becomes of each. */

import {
  concatMap,
  defer,
  finalize,
  identity,
  ignoreElements,
  merge,
  mergeMap,
  type Observable,
  type OperatorFunction,
  of,
  pipe,
  tap,
} from 'rxjs';
import { type Answer, answerEach, type LostGroup } from '../../../operators/index.js';
import { lossTopics } from '../../config/graph/loss-topics.js';
import { kindOfTopic } from '../../config/graph/topology-graph.js';
import type { StageConfig } from '../../config/schema/topology-schema.js';
import type { Delivery } from '../../transport/contract/transport.js';
import type { StageContext } from '../shared/stage-context.js';
import { countAnswers } from './count-answers.js';
import { heldBack } from './held-back.js';
import type { MessageOperator } from './load-operator.js';
import { type OperableMessage, type OperableTopic, portCheck } from './port-check.js';

/** Messages that the stage holds at most: one in hand, and as many that wait. */
const HELD = 16;

/**
 * Gives each message to the operator, and answers it once what came of it is written: the message that the operator emits; for
 * one that it drops the loss of its group; for one that it fails at a dead letter, and the loss of its group. Groups that were
 * lost before pass by. Of incoming prompts it warns where none passes.
 */
export function operatorStage(
  context: StageContext,
  name: string,
  settings: Omit<StageConfig<'operator'>, 'type'>,
  operator: MessageOperator,
): Observable<never> {
  const { transport, config } = context;
  const kind = kindOfTopic(config)(settings.reads) ?? 'prompts';
  // Lint has checked that both topics carry messages of this kind.
  const [from, to] = [settings.reads as OperableTopic, settings.writes as OperableTopic];
  const counts = countAnswers(context, name);
  const deliveries = new Map<OperableMessage, Delivery<OperableMessage>>();

  const pass = (message: OperableMessage, key: string) => {
    const turn = 'groupIndex' in message ? { turn: message.groupIndex } : {};
    return transport.publish(to, { key, message: message as never, ...turn });
  };
  const lose = async (
    message: OperableMessage,
    reason: LostGroup['reason'],
    detail: string,
  ): Promise<void> => {
    if (!('groupId' in message)) return;
    const { groupId, round } = message;
    const lost = { groupId, round, reason, detail, operator: name };
    // Rewards of the group may wait for its trajectories: a loss under their key would wait for them.
    const key = kind === 'trajectories' ? `${groupId}/${name}` : groupId;
    for (const topic of lossTopics(config, name)) await transport.publish(topic, { key, message: lost });
  };
  const settle = async (answer: Answer<OperableMessage>): Promise<Answer<OperableMessage>['kind']> => {
    const { input } = answer;
    const delivery = deliveries.get(input);
    const key = delivery?.key ?? '';
    if (answer.kind === 'passed') await pass(answer.output, key);
    else if (answer.kind === 'dropped')
      await lose(input, 'dropped', `the operator stage "${name}" dropped it from ${from}`);
    else {
      const { code, message: reason } = answer.error;
      await transport.publish('dead-letters', {
        key,
        message: input,
        headers: { origin: from, stage: name, code, reason },
      });
      await lose(input, 'dead-letter', reason);
    }
    deliveries.delete(input);
    delivery?.ack();
    counts.count(answer.kind);
    return answer.kind;
  };
  // No group is lost with an incoming prompt: nothing else would say why a run waits.
  const saidWhereNonePasses: OperatorFunction<Answer<OperableMessage>['kind'], unknown> =
    kind === 'incoming-prompts'
      ? pipe(
          heldBack(),
          tap((count) => context.say({ kind: 'warning', message: nonePasses(name, count) })),
        )
      : identity;
  const received$ = transport
    .subscribe({ topic: from, consumerGroup: `operator-${name}`, maxInFlight: HELD })
    .pipe(
      mergeMap((delivery: Delivery<OperableMessage>) => {
        const { message, key } = delivery;
        if ('reason' in message)
          return defer(() => pass(message, key)).pipe(
            tap(() => delivery.ack()),
            ignoreElements(),
          );
        deliveries.set(message, delivery);
        return of(message);
      }),
    );
  const answered$ = received$.pipe(
    answerEach<OperableMessage>({
      name,
      operator,
      faultOf: portCheck(kind),
      answerWithinMs: settings.answerWithinMs,
      maxQueued: HELD,
    }),
    concatMap(settle),
    saidWhereNonePasses,
    finalize(() => deliveries.clear()),
  );
  return merge(counts.reports$, answered$).pipe(ignoreElements());
}

const nonePasses = (name: string, count: number): string =>
  `operator ${name}: ${count === 1 ? 'the last incoming prompt did not pass' : `none of the last ${count} incoming prompts passed`}. A run that has no others waits: send prompts that pass, or change the operator.`;
