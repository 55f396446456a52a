/** @file The broadcasts of a run except its schedule, and its metrics. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  CanaryChoice,
  JudgedMetric,
  PolicySnapshot,
  Progress,
  ScoredMetric,
} from '../../messages/messages.js';
import { MessageFault, messageCodec, requireField } from './message-codec.js';
import { tensorFromWire, tensorToWire } from './tensor-wire.js';
import {
  type CanaryChoice as CanaryChoiceWire,
  type Judged,
  MetricSchema,
  type Policy,
  PolicySchema,
  ProgressSchema,
  type Scored,
} from './tributary_pb.js';

/** Parameters are flat; their names say what they belong to. */
export const policyCodec = messageCodec({
  kind: 'policy',
  schema: PolicySchema,
  toWire: ({ served, ...policy }: PolicySnapshot): MessageInitShape<typeof PolicySchema> => ({
    ...policyToWire(policy),
    ...(served && { stable: policyToWire(served.stable) }),
    ...(served?.canary && { canary: policyToWire(served.canary) }),
  }),
  fromWire: ({ stable, canary, ...policy }): PolicySnapshot => {
    requireField(stable !== undefined || canary === undefined, 'canary', 'none without stable', 'one');
    return {
      ...policyFromWire(policy, ''),
      ...(stable && {
        served: {
          stable: policyFromWire(stable, 'stable.'),
          canary: canary ? policyFromWire(canary, 'canary.') : null,
        },
      }),
    };
  },
});

function policyToWire({ version, parameters }: PolicySnapshot) {
  const tensors = Object.entries(parameters).map(([name, values]) => [name, tensorToWire(values)] as const);
  return { version, parameters: Object.fromEntries(tensors) };
}

function policyFromWire({ version, parameters }: Pick<Policy, 'version' | 'parameters'>, path: string) {
  const arrays = Object.entries(parameters).map(
    ([name, tensor]) => [name, tensorFromWire(tensor, `${path}parameters["${name}"]`).values] as const,
  );
  return { version, parameters: Object.fromEntries(arrays) };
}

export const progressCodec = messageCodec({
  kind: 'progress',
  schema: ProgressSchema,
  toWire: ({ partialRounds = [], ...progress }: Progress): MessageInitShape<typeof ProgressSchema> => ({
    ...progress,
    partialRounds: partialRounds.map(({ round, trained, stale }) => ({
      ...{ round, trained: [...trained], stale: [...stale] },
    })),
  }),
  fromWire: ({ trainPrompts, schedulePosition, partialRounds, ...progress }): Progress => ({
    ...{ finishedGroups: progress.finishedGroups, round: progress.round },
    ...{ isOver: progress.isOver, sharedConfig: progress.sharedConfig },
    ...(trainPrompts !== undefined && { trainPrompts }),
    ...(schedulePosition !== undefined && { schedulePosition }),
    ...(partialRounds.length > 0 && {
      partialRounds: partialRounds.map(({ round, trained, stale }) => ({ round, trained, stale })),
    }),
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

function judgedFromWire({ groupId, round, votes, agreement, expired, stale, choice }: Judged): JudgedMetric {
  requireField(agreement >= 0 && agreement <= 1, 'judged.agreement', 'a number from 0 to 1', agreement);
  return {
    ...({ kind: 'judged', groupId, round, votes, agreement, expired, stale } as const),
    ...(choice && { choice: choiceFromWire(choice) }),
  };
}

function choiceFromWire({ canary, preference }: CanaryChoiceWire): CanaryChoice {
  const known = ([-1, 0, 1] as const).find((one) => one === preference);
  if (known === undefined)
    throw new MessageFault('judged.choice.preference', '-1, 0 or 1', String(preference));
  return { canary, preference: known };
}
