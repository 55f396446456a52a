/** @file A part of the topology in virtual time: what a test puts in, and what comes out. */

import type { Clock } from '@sinonjs/fake-timers';
import type { Observable } from 'rxjs';
import { asTributaryError, type TributaryError } from '../../errors.js';
import { createHistory, type TrainingInterval } from '../../operators/index.js';
import { stageWires } from '../config/graph/stage-wires.js';
import { testedPart } from '../config/graph/tested-part.js';
import { kindOfTopic } from '../config/graph/topology-graph.js';
import { progressAt } from '../config/resolved/progress-at.js';
import { readMarbles } from '../config/schema/marbles.js';
import type { ConfigTest } from '../config/schema/tests-schema.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { createRunControl } from '../control/run-control.js';
import { UNCONTROLLED } from '../messages/control-state.js';
import { RUN_KEY, type TopicMessages } from '../messages/messages.js';
import type { RunEvent } from '../messages/run-events.js';
import type { TopicName } from '../messages/topics.js';
import { readPromptLists } from '../prompt-files/read-prompts.js';
import { advantagesStage } from '../stages/advantages/advantages-stage.js';
import { combineStage } from '../stages/combine/combine-stage.js';
import type { MessageOperator } from '../stages/operator/load-operator.js';
import { operatorStage } from '../stages/operator/operator-stage.js';
import { openPromptSource } from '../stages/prompts/open-prompt-source.js';
import { type PromptSource, promptsStage } from '../stages/prompts/prompts-stage.js';
import { scheduleStage } from '../stages/schedule/schedule-stage.js';
import type { StageContext } from '../stages/shared/stage-context.js';
import { tapStage } from '../stages/tap/tap-stage.js';
import { createInProcessTransport } from '../transport/in-process/in-process.js';
import { topicDeclarations } from '../transport/open-transport.js';
import { stageTransport } from '../transport/stage-transport.js';
import type { Notice } from './compare.js';
import { type EndingTransport, endingTransport } from './ending-transport.js';
import { fieldsOf, LATENT_SHAPE, messageOf } from './test-messages.js';

export type Operators = ReadonlyMap<string, MessageOperator>;
/** What stages of a part work with. */
interface TestedParts {
  readonly operators: Operators;
  /** The open source of prompts; null if the part gives none to groups. */
  readonly prompts: PromptSource | null;
}

type Counts = Readonly<Record<'passed' | 'dropped' | 'failed', number>>;

/** What a part of the topology did. */
export interface Recorded {
  /** By topic, what came out, with the end and errors of the part. */
  readonly notices: ReadonlyMap<string, readonly Notice[]>;
  /** By operator stage. */
  readonly counts: ReadonlyMap<string, Counts>;
}

/** Runs the part of the topology that a test names, on a clock that moves only when nothing is under way. */
export async function recordPart(
  config: ResolvedConfig,
  test: ConfigTest,
  operators: Operators,
  clock: Clock,
): Promise<Recorded> {
  const inner = createInProcessTransport<TopicMessages>({
    topics: topicDeclarations(config),
    maxAttempts: config.transport.maxAttempts,
    deadLettersTopic: 'dead-letters',
  });
  const ending = endingTransport(inner);
  const { transport } = ending;
  const counts = new Map<string, Counts>(
    [...operators.keys()].map((name) => [name, { passed: 0, dropped: 0, failed: 0 }]),
  );
  const context: StageContext = {
    config,
    transport,
    firstRound: 0,
    say: (event) => addCounts(counts, event),
    stopping: new AbortController().signal,
    canceling: new AbortController().signal,
    control: createRunControl(transport, UNCONTROLLED),
    learningRateScale: () => 1,
  };
  const notices = watchTopics(config, test, ending, clock);
  let interval: TrainingInterval | null = null;
  const watching = inner.latest('schedule').subscribe((newest) => {
    interval = newest;
  });
  const schedule = scheduleStage(context).subscribe();
  await transport.publish('progress', { key: RUN_KEY, message: progressAt(config, 0) });
  await quiet(ending);
  const note = (kind: 'end' | 'error', error?: TributaryError) => {
    const fields = error ? { code: error.code, message: error.message } : {};
    for (const topic of notices.values()) topic.push({ at: clock.now, kind, fields });
  };
  const prompts = test.stages.some((name) => config.stages[name]?.type === 'prompts')
    ? await openPrompts(context)
    : null;
  const part = startPart(context, test, { operators, prompts }, ending, note);
  const feed = (topic: string, letter: string) => {
    const kind = kindOfTopic(config)(topic);
    const value = test.values[letter];
    if (!kind || !value || !interval) return;
    // Lint has checked that the value fits the topic.
    const envelope = messageOf(kind, value, { config, letter, interval }) as never;
    // What still waits at the end is refused when the transport closes.
    transport.publish(topic as TopicName, envelope).catch(() => undefined);
  };
  const inputs = Object.entries(test.in).flatMap(([topic, diagram]) =>
    readMarbles(diagram).map((marble) => ({ topic, ...marble })),
  );
  let open = Object.keys(test.in).length;
  for (const { topic, at, mark } of inputs) {
    clock.setTimeout(() => {
      if (mark !== '|') return feed(topic, mark);
      ending.end(topic);
      open -= 1;
      if (open === 0) ending.endBroadcasts();
    }, at);
  }
  const expected = Object.values(test.out).flatMap((diagram) => readMarbles(diagram));
  const until = Math.max(0, ...[...inputs, ...expected].map(({ at }) => at));
  clock.setTimeout(() => undefined, until);
  await runClock(clock, ending, until);
  part.unsubscribe();
  schedule.unsubscribe();
  watching.unsubscribe();
  await inner.close();
  return { notices, counts };
}

/** Fires what is due until a time, and then what waits at that time, each once all that came before has gone its way. */
async function runClock(clock: Clock, ending: EndingTransport, until: number): Promise<void> {
  await quiet(ending);
  while (clock.now < until && clock.countTimers() > 0) {
    clock.next();
    await quiet(ending);
  }
  // What is due at the very end, and what waits then; whoever sets a timer again and again is not waited for.
  let left = clock.countTimers();
  while (left > 0 && clock.countTimers() > 0) {
    clock.next();
    left -= 1;
    await quiet(ending);
  }
}

/** Resolves once no message is under way: a message that is refused comes again in a later turn of the event loop. */
async function quiet(ending: EndingTransport): Promise<void> {
  let before = -1;
  while (before !== ending.activity()) {
    before = ending.activity();
    for (let turn = 0; turn < 3; turn++) await new Promise((done) => setImmediate(done));
  }
}

/** Records what comes out, by topic. */
function watchTopics(
  config: ResolvedConfig,
  test: ConfigTest,
  { transport }: EndingTransport,
  clock: Clock,
): Map<string, Notice[]> {
  const topics = new Set([
    ...testedPart(config, test.stages).writes.filter((topic) => !Object.hasOwn(test.in, topic)),
    ...Object.keys(test.out),
  ]);
  // What a stage of the part reads within it is no result, unless the test says so.
  const inside = test.stages.flatMap((name) =>
    stageWires(config.stages, name).reads.map(({ topic }) => topic),
  );
  for (const topic of inside) if (!Object.hasOwn(test.out, topic)) topics.delete(topic);
  const notices = new Map<string, Notice[]>();
  for (const topic of topics) {
    const found: Notice[] = [];
    notices.set(topic, found);
    const kind = kindOfTopic(config)(topic) ?? 'prompts';
    transport
      .subscribe({ topic: topic as TopicName, consumerGroup: 'test', maxInFlight: 1024 })
      .subscribe((delivery) => {
        const fields = fieldsOf(kind, delivery.message, delivery.headers);
        found.push({ at: clock.now, kind: 'message', fields });
        delivery.ack();
      });
  }
  return notices;
}

/** Starts the stages of a part. Once all have completed it is at its end; the first error is that of all. */
function startPart(
  context: StageContext,
  { stages, in: inputs }: ConfigTest,
  parts: TestedParts,
  ending: EndingTransport,
  note: (kind: 'end' | 'error', error?: TributaryError) => void,
): { unsubscribe(): void } {
  const running = new Set(stages);
  const writtenBy = (name: string) =>
    stageWires(context.config.stages, name).writes.map(({ topic }) => topic);
  const complete = (name: string) => {
    running.delete(name);
    const open = new Set([...running].flatMap(writtenBy));
    for (const topic of writtenBy(name))
      if (!open.has(topic) && !Object.hasOwn(inputs, topic)) ending.end(topic);
    if (running.size === 0) note('end');
  };
  let hasErred = false;
  const fail = (error: unknown) => {
    if (!hasErred) note('error', asTributaryError(error));
    hasErred = true;
  };
  const subscriptions = stages.map((name) =>
    stageNamed(context, name, parts).subscribe({ error: fail, complete: () => complete(name) }),
  );
  return {
    unsubscribe: () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}

/**
 * Opens the source of prompts, before the clock moves. What clients would post is put into its topics instead, and no model
 * has to know the words of a file.
 */
async function openPrompts({ config, transport, say }: StageContext): Promise<PromptSource> {
  const readLists = () => readPromptLists(config, () => undefined);
  return (await openPromptSource({ config, transport, say, readLists, takesRequests: false })).source;
}

function stageNamed(
  context: StageContext,
  name: string,
  { operators, prompts }: TestedParts,
): Observable<never> {
  const { config } = context;
  const wired = { ...context, transport: stageTransport(context.transport, config, name) };
  const stage = config.stages[name];
  const operator = operators.get(name);
  if (stage?.type === 'prompts' && prompts) return promptsStage(wired, prompts, () => undefined);
  if (stage?.type === 'combine') return combineStage(wired, stage);
  if (stage?.type === 'tap') return tapStage(context, name, stage);
  if (stage?.type === 'operator' && operator) return operatorStage(context, name, stage, operator);
  return advantagesStage(wired, createHistory(), [LATENT_SHAPE], () => undefined);
}

function addCounts(counts: Map<string, Counts>, event: RunEvent): void {
  if (event.kind !== 'operated') return;
  const before = counts.get(event.stage) ?? { passed: 0, dropped: 0, failed: 0 };
  counts.set(event.stage, {
    passed: before.passed + event.passed,
    dropped: before.dropped + event.dropped,
    failed: before.failed + event.failed,
  });
}
