/** @file A line of `metrics.jsonl`, and the checks that it must pass. */

import * as z from 'zod';
import { GUARD_ACTIONS } from '../messages/control-state.js';
import type { Alarm, Evaluation, PromptSetEvaluation, RoundMetrics } from '../messages/run-events.js';

/** `time` is ISO 8601, UTC. */
export type MetricsLine =
  | ({ readonly kind: 'round'; readonly time: string } & RoundMetrics)
  | ({ readonly kind: 'evaluation'; readonly time: string } & Evaluation)
  | ({ readonly kind: 'alarm'; readonly time: string } & Alarm);

/** JSON has no NaN and no infinity: both are written as null, and read as NaN, so that nobody computes with 0. */
export const figureSchema = z
  .number({ error: 'expected a number' })
  .nullable()
  .transform((value) => value ?? Number.NaN);
const measured = z.number({ error: 'expected a number or null' }).nullable();
const number = z.number({ error: 'expected a number' });
const count = z.int({ error: 'expected a whole number' }).min(0, { error: 'expected at least 0' });
const listOf = <Item extends z.ZodType>(item: Item) => z.array(item, { error: 'expected a list' });
const text = z.string({ error: 'expected text' });
const isTrue = z.boolean({ error: 'expected true or false' });

/**
 * A schema for every field of a type: a missing one does not compile. A new field needs a default, or is optional, since
 * earlier logs lack it.
 */
type FieldsOf<Line> = Record<keyof Line, z.ZodType>;

const guardChange = z.looseObject({
  threshold: number.optional(),
  action: z.enum(GUARD_ACTIONS, { error: `expected one of ${GUARD_ACTIONS.join(', ')}` }).optional(),
});

const control = z.looseObject({
  version: count,
  learningRateScale: number.optional(),
  guards: z.record(z.string(), guardChange).optional(),
  schedule: z.looseObject({ shift: number, frozenAt: number.nullable() }).optional(),
  prompts: count.optional(),
});

const VERDICTS = ['hold', 'promote', 'roll-back'] as const;

const roundFields = {
  round: count,
  firstStep: count,
  numSteps: count,
  trainedSteps: listOf(count),
  policyVersion: count,
  rewardMean: measured,
  rewardStd: measured,
  verifiedAlignment: measured,
  verifierScore: measured,
  selectedSamples: count,
  groups: count,
  lostGroups: count,
  staleGroups: count,
  lateGroups: count,
  droppedGroups: count.optional(),
  rewardParts: z
    .record(z.string(), z.looseObject({ groups: count, mean: figureSchema, std: figureSchema }))
    .optional(),
  ages: listOf(count),
  deadLetters: count,
  zeroSpreadGroups: count,
  intraGroupCorrelation: measured,
  optimizerSteps: count,
  policyLoss: figureSchema,
  clipFraction: figureSchema,
  clipFractionByStep: listOf(figureSchema),
  approxKl: figureSchema,
  maxRatioDeviation: figureSchema,
  meanRatioDeviation: figureSchema,
  klToPretrained: measured,
  valueLoss: measured,
  learningRateScale: figureSchema,
  gradNorm: figureSchema,
  gradNormByStep: listOf(measured),
  lossScaling: z.looseObject({ scale: figureSchema, skippedUpdates: count }).optional(),
  rewardQueries: count,
  networkRows: z.looseObject({ sampling: count, training: count }).optional(),
  outsideRewards: count.optional(),
  feedback: z
    .looseObject({
      groups: count,
      votes: count,
      agreement: figureSchema,
      expiredGroups: count,
      staleGroups: count,
    })
    .optional(),
  trainerIdleShare: figureSchema,
  elapsedSeconds: number.min(0, { error: 'expected at least 0' }),
  eventLoopDelayP99Ms: figureSchema,
  peakRssBytes: figureSchema,
  control: control.optional(),
  promotion: z
    .looseObject({
      isPromoted: isTrue,
      outputChange: measured,
      logProbDifference: measured,
      rewardMean: measured,
    })
    .optional(),
  canary: z
    .looseObject({
      stable: count,
      canary: count.nullable(),
      wins: count,
      losses: count,
      ties: count,
      interval: z.tuple([figureSchema, figureSchema]),
      verdict: z.enum(VERDICTS, { error: `expected one of ${VERDICTS.join(', ')}` }),
    })
    .optional(),
} satisfies FieldsOf<RoundMetrics>;

const spread = z.looseObject({ mean: figureSchema, std: figureSchema });

const pictures = { edgeDensity: spread, colorEntropy: spread, brightness: spread, jpegKilobytes: spread };

const promptSet = z.looseObject({
  prompts: count,
  images: count,
  rewardMean: figureSchema,
  unverifiedPrompts: count.optional(),
  rewardParts: z.record(z.string(), figureSchema).optional(),
  gold: z.record(z.string(), spread).optional(),
  pictures: z.looseObject(pictures).optional(),
  verifiedAlignment: measured,
  verifierScore: measured,
  diversity: measured,
} satisfies FieldsOf<PromptSetEvaluation>);

const evaluationFields = {
  policyVersion: count,
  round: count,
  train: promptSet,
  heldOut: promptSet,
  byTemplate: z.record(z.string(), z.looseObject({ train: measured, heldOut: measured })).optional(),
  seconds: figureSchema,
} satisfies FieldsOf<Evaluation>;

/** An evaluation with more fields. No intersection: zod throws if one holds NaN. */
const evaluationWith = <Fields extends z.ZodRawShape>(fields: Fields) =>
  z
    .looseObject({ ...fields, ...evaluationFields })
    .refine(({ policyVersion, round }) => policyVersion === round, {
      error: 'expected the number of complete rounds',
      path: ['policyVersion'],
    });

/** An evaluation as JSON. */
export const evaluationSchema = evaluationWith({});

const ALARM_ACTIONS = ['warn', 'lower-learning-rate', 'stop', 'roll-back'] as const;

const alarmFields = {
  guard: text,
  action: z.enum(ALARM_ACTIONS, { error: `expected one of ${ALARM_ACTIONS.join(', ')}` }),
  value: measured,
  threshold: number,
  round: count,
  message: text,
} satisfies FieldsOf<Alarm>;

const time = z.iso.datetime({ error: 'expected a time in UTC' });

const SCHEMAS = {
  round: z
    .looseObject({ kind: z.literal('round'), time, ...roundFields })
    .refine(({ policyVersion, round }) => policyVersion === round + 1, {
      error: 'expected 1 more than round',
      path: ['policyVersion'],
    })
    // The charts draw as many steps.
    .refine(({ numSteps, clipFractionByStep }) => clipFractionByStep.length === numSteps, {
      error: 'expected as many as numSteps',
      path: ['clipFractionByStep'],
    }),
  evaluation: evaluationWith({ kind: z.literal('evaluation'), time }),
  alarm: z.looseObject({ kind: z.literal('alarm'), time, ...alarmFields }),
} satisfies Record<MetricsLine['kind'], z.ZodType>;

const kindSchema = z.object(
  { kind: z.enum(['round', 'evaluation', 'alarm'], { error: 'expected round, evaluation or alarm' }) },
  { error: 'expected an object' },
);

/** Version 1 called a round a stage. */
const oldLine = z.object({ kind: z.enum(['stage', 'evaluation', 'alarm']), trainingStage: z.number() });

/** A line that cannot be used. */
interface LineDamage {
  /** `lateGroups: expected a whole number`. */
  readonly damage: string;
  /** Whether version 1 wrote the line. */
  readonly isOld: boolean;
}

/** Reads a line, or says why it cannot be used. */
export function parseMetricsLine(bytes: Uint8Array): MetricsLine | LineDamage {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return { damage: 'expected JSON', isOld: false };
  }
  const kind = kindSchema.safeParse(value);
  const isOld = oldLine.safeParse(value).success;
  if (!kind.success) return { damage: firstFault(kind.error), isOld };
  const line = SCHEMAS[kind.data.kind].safeParse(value);
  // The schemas are checked against the types field by field; zod's optional fields differ in `undefined` only.
  return line.success ? (line.data as unknown as MetricsLine) : { damage: firstFault(line.error), isOld };
}

function firstFault({ issues: [issue] }: z.ZodError): string {
  const place = issue?.path.map(String).join('.') ?? '';
  return `${place === '' ? '' : `${place}: `}${issue?.message ?? 'expected another content'}`;
}
