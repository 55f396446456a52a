/** @file The broadcasts of a run except its schedule, and its metrics. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { JudgedMetric, PolicySnapshot, Progress, ScoredMetric } from '../../messages/messages.js';
import { MessageFault, messageCodec, requireField } from './message-codec.js';
import { tensorFromWire, tensorToWire } from './tensor-wire.js';
import { type Judged, MetricSchema, PolicySchema, ProgressSchema, type Scored } from './tributary_pb.js';

/** Parameters are flat; their names say what they belong to. */
export const policyCodec = messageCodec({
  kind: 'policy',
  schema: PolicySchema,
  toWire: ({ version, parameters }: PolicySnapshot) => ({
    version,
    parameters: Object.fromEntries(
      Object.entries(parameters).map(([name, values]) => [name, tensorToWire(values)]),
    ),
  }),
  fromWire: ({ version, parameters }) => ({
    version,
    parameters: Object.fromEntries(
      Object.entries(parameters).map(([name, tensor]) => [
        name,
        tensorFromWire(tensor, `parameters["${name}"]`).values,
      ]),
    ),
  }),
});

export const progressCodec = messageCodec({
  kind: 'progress',
  schema: ProgressSchema,
  toWire: (progress: Progress) => ({ ...progress }),
  fromWire: ({ finishedGroups, round, isOver, sharedConfig, trainPrompts, schedulePosition }) => ({
    finishedGroups,
    round,
    isOver,
    sharedConfig,
    ...(trainPrompts !== undefined && { trainPrompts }),
    ...(schedulePosition !== undefined && { schedulePosition }),
  }),
});

export const metricCodec = messageCodec({
  kind: 'metric',
  schema: MetricSchema,
  toWire: (metric: ScoredMetric | JudgedMetric): MessageInitShape<typeof MetricSchema> => {
    if (metric.kind === 'judged') {
      const { kind, ...value } = metric;
      return { metric: { case: kind, value } };
    }
    const { kind, groupId, round, stage, images, verdicts } = metric;
    const value = { groupId, round, images, ...(stage && { stage }), ...(verdicts && { verdicts }) };
    return { metric: { case: kind, value } };
  },
  fromWire: ({ metric }): ScoredMetric | JudgedMetric => {
    switch (metric.case) {
      case 'scored':
        return scoredFromWire(metric.value);
      case 'judged':
        return judgedFromWire(metric.value);
      default:
        throw new MessageFault('metric', 'scored or judged', 'nothing that is known');
    }
  },
});

function scoredFromWire({ groupId, round, stage, images, verdicts }: Scored): ScoredMetric {
  const head = { kind: 'scored', groupId, round, ...(stage && { stage }), images } as const;
  if (!verdicts) return { ...head, verdicts: null };
  const { satisfied, score } = verdicts;
  requireField(satisfied <= images, 'scored.verdicts.satisfied', `at most ${images}`, satisfied);
  requireField(Number.isFinite(score), 'scored.verdicts.score', 'a finite number', score);
  return { ...head, verdicts: { satisfied, score } };
}

function judgedFromWire({ groupId, round, votes, agreement, expired, stale }: Judged): JudgedMetric {
  requireField(agreement >= 0 && agreement <= 1, 'judged.agreement', 'a number from 0 to 1', agreement);
  return { kind: 'judged', groupId, round, votes, agreement, expired, stale };
}
