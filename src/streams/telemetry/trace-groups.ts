/**
 * @file One trace a group: prompt, rollout, reward, advantage, update. Its context travels in the header `traceparent` of the
 * messages (W3C Trace Context), in memory as over Kafka.
 */

import type { Context, Span, Tracer } from '@opentelemetry/api';
import { tap } from 'rxjs';
import type { TopicMessages } from '../messages/messages.js';
import type { TopicName } from '../messages/topics.js';
import type { Delivery, Headers, Transport } from '../transport/contract/transport.js';

type Api = typeof import('@opentelemetry/api');

export interface Tracing {
  readonly api: Api;
  readonly tracer: Tracer;
}

/** Groups with open spans; one more ends those of the oldest, so that what never ends takes no memory. */
const MOST_OPEN = 10_000;
const HEADER = 'traceparent';
/** Version, trace, parent and flags; a later version may have more behind them. */
const PARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;

/** Returns the context that a header carries; an empty one where it is missing or of another form. */
export function contextOf({ api }: Tracing, headers: Headers): Context {
  const [, traceId = '', spanId = '', flags = ''] = PARENT.exec(headers[HEADER] ?? '') ?? [];
  const parent = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) || 0, isRemote: true };
  if (!api.isSpanContextValid(parent)) return api.ROOT_CONTEXT;
  return api.trace.setSpanContext(api.ROOT_CONTEXT, parent);
}

const headerOf = (span: Span): Headers => {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return { [HEADER]: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}` };
};

interface Group {
  readonly groupId: string;
  readonly round: number;
}

interface OpenSpan {
  readonly part: string;
  /** The consumer group that does it, or the part: several stages may score one group. */
  readonly work: string;
  readonly round: number;
  readonly span: Span;
}

/** What a consumer group makes of what it reads; others look on. */
function partOf(kind: TopicName | undefined, consumerGroup: string): string | null {
  if (kind === 'prompts') return ['samplers', 'gateways'].includes(consumerGroup) ? 'rollout' : null;
  if (kind === 'images') return consumerGroup.startsWith('rewards') ? 'reward' : null;
  if (kind !== 'rewards') return null;
  if (consumerGroup === 'trainer') return 'advantage';
  return consumerGroup === 'combine' ? 'combine' : null;
}

/** Which parts send messages of a kind, those whose turn comes first before the others. */
const SENDERS: { readonly [Kind in TopicName]?: readonly string[] } = {
  prompts: ['prompt'],
  trajectories: ['rollout'],
  images: ['rollout'],
  rewards: ['reward', 'combine', 'rollout'],
};

/**
 * Returns a transport that traces the groups whose messages pass. A part begins where its stage receives a group and ends
 * where it has sent on what it made of it; the update ends with its round.
 *
 * Memory: the open spans of at most 10,000 groups.
 *
 * @param kindOf tells which topic of the catalog one is like.
 */
export function traceGroups(
  transport: Transport<TopicMessages>,
  kindOf: (topic: string) => TopicName | undefined,
  tracing: Tracing,
): Transport<TopicMessages> {
  const { api, tracer } = tracing;
  const spans = new OpenSpans(api);
  const begin = (part: string, { groupId, round }: Group, parent: Context, work = part) => {
    if (spans.has(work, groupId)) return;
    const attributes = { 'tributary.group.id': groupId, 'tributary.round': round };
    spans.add(groupId, { part, work, round, span: tracer.startSpan(part, { attributes }, parent) });
  };
  const received = (topic: string, consumerGroup: string, { message, headers }: Delivery<unknown>) => {
    const kind = kindOf(topic);
    const part = partOf(kind, consumerGroup);
    if (part !== null) begin(part, message as Group, contextOf(tracing, headers), consumerGroup);
    if (kind === 'batches') update(message as TopicMessages['batches']);
  };
  const update = ({ groupIds, round }: TopicMessages['batches']) => {
    for (const groupId of groupIds) {
      const advantage = spans.take(['advantage'], groupId);
      const parent = advantage ? api.trace.setSpan(api.ROOT_CONTEXT, advantage.span) : api.ROOT_CONTEXT;
      advantage?.span.end();
      begin('update', { groupId, round }, parent);
    }
  };
  return {
    ...transport,
    subscribe: (subscription) =>
      transport
        .subscribe(subscription)
        .pipe(tap((delivery) => received(subscription.topic, subscription.consumerGroup, delivery))),
    async publish(topic, envelope) {
      const kind = kindOf(topic);
      const { groupId = '', round = 0 } = envelope.message as Partial<Group>;
      if (kind === 'prompts') begin('prompt', { groupId, round }, api.ROOT_CONTEXT);
      const senders = kind === undefined ? [] : (SENDERS[kind] ?? []);
      // The trajectories of a group are sent beside its pictures, which end the rollout.
      const sender = kind === 'trajectories' ? spans.find(senders, groupId) : spans.take(senders, groupId);
      if (kind === 'progress') spans.endBefore(round);
      if (!sender) return transport.publish(topic, envelope);
      try {
        await transport.publish(topic, {
          ...envelope,
          headers: { ...envelope.headers, ...headerOf(sender.span) },
        });
      } finally {
        const { reason } = envelope.message as { readonly reason?: unknown };
        if (reason !== undefined)
          sender.span.setStatus({ code: api.SpanStatusCode.ERROR, message: String(reason) });
        if (kind !== 'trajectories') sender.span.end();
      }
    },
  };
}

/** Spans that are not over, by group, the oldest first. */
class OpenSpans {
  readonly #groups = new Map<string, readonly OpenSpan[]>();

  constructor(private readonly api: Api) {}

  has(work: string, groupId: string): boolean {
    return this.#of(groupId).some((span) => span.work === work);
  }

  add(groupId: string, span: OpenSpan): void {
    this.#groups.set(groupId, [...this.#of(groupId), span]);
    for (const [oldest, spans] of this.#groups) {
      if (this.#groups.size <= MOST_OPEN) break;
      this.#groups.delete(oldest);
      for (const { span } of spans) span.end();
    }
  }

  find(parts: readonly string[], groupId: string): OpenSpan | undefined {
    const spans = this.#of(groupId);
    return parts.map((part) => spans.find((span) => span.part === part)).find((span) => span !== undefined);
  }

  take(parts: readonly string[], groupId: string): OpenSpan | undefined {
    const taken = this.find(parts, groupId);
    const left = this.#of(groupId).filter((span) => span !== taken);
    if (left.length > 0) this.#groups.set(groupId, left);
    else this.#groups.delete(groupId);
    return taken;
  }

  /** Ends what is left of earlier rounds: updates, and groups that were lost. */
  endBefore(round: number): void {
    for (const [groupId, spans] of this.#groups) {
      if (spans.some((span) => span.round >= round)) continue;
      this.#groups.delete(groupId);
      for (const { span, part } of spans) {
        if (part !== 'update')
          span.setStatus({ code: this.api.SpanStatusCode.ERROR, message: 'not trained on' });
        span.end();
      }
    }
  }

  #of(groupId: string): readonly OpenSpan[] {
    return this.#groups.get(groupId) ?? [];
  }
}
