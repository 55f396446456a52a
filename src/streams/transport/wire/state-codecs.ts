/** @file The broadcasts of a run except its schedule, and its metrics. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { PolicySnapshot, Progress, ScoredMetric } from '../../messages/messages.js';
import { MessageFault, messageCodec, requireField } from './message-codec.js';
import { tensorFromWire, tensorToWire } from './tensor-wire.js';
import { MetricSchema, PolicySchema, ProgressSchema } from './tributary_pb.js';

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
  toWire: ({
    groupId,
    round,
    stage,
    images,
    verdicts,
  }: ScoredMetric): MessageInitShape<typeof MetricSchema> => ({
    metric: {
      case: 'scored',
      value: { groupId, round, images, ...(stage && { stage }), ...(verdicts && { verdicts }) },
    },
  }),
  fromWire: ({ metric }): ScoredMetric => {
    if (metric.case !== 'scored') throw new MessageFault('metric', 'scored', 'nothing that is known');
    const { groupId, round, stage, images, verdicts } = metric.value;
    const head = { kind: 'scored', groupId, round, ...(stage && { stage }), images } as const;
    if (!verdicts) return { ...head, verdicts: null };
    const { satisfied, score } = verdicts;
    requireField(satisfied <= images, 'scored.verdicts.satisfied', `at most ${images}`, satisfied);
    requireField(Number.isFinite(score), 'scored.verdicts.score', 'a finite number', score);
    return { ...head, verdicts: { satisfied, score } };
  },
});
