/**
 * @file The metrics of a process: one line each, from an event of the run or an observation to a figure. Names and units are
 * those of Prometheus and OpenTelemetry; counters get `_total` behind their name, and begin with the process.
 */

import type { Observation } from '../messages/observations.js';
import type { RunEvent } from '../messages/run-events.js';

export type Told = RunEvent | Observation;

type Labels = Readonly<Record<string, string>>;
/** Null is a figure that there is none of now. */
export type Sample = readonly [value: number | null, labels?: Labels];

export interface Metric {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  /** As UCUM writes it: `s`, `By`, `1`, or a thing in braces. */
  readonly unit: string;
  readonly description: string;
  /** What it is told by. */
  readonly by: Told['kind'];
  /** What is added to a counter, or what a gauge stands at now; of a kind of event that is not its own, nothing. */
  readonly samplesOf: (told: Told) => readonly Sample[];
}

type Row<Kind extends Told['kind']> = readonly [
  kind: Metric['kind'],
  name: string,
  unit: string,
  description: string,
  samplesOf: (told: Extract<Told, { kind: Kind }>) => readonly Sample[],
];

/** The metrics that one kind of event tells. */
function toldBy<Kind extends Told['kind']>(by: Kind, rows: readonly Row<Kind>[]): Metric[] {
  return rows.map(([kind, name, unit, description, samplesOf]) => ({
    ...{ kind, name: `tributary_${name}`, unit, description, by },
    samplesOf: (told) => (told.kind === by ? samplesOf(told as Extract<Told, { kind: Kind }>) : []),
  }));
}

const one = (value: number | null | undefined, labels?: Labels): Sample[] =>
  value === undefined ? [] : [labels === undefined ? [value] : [value, labels]];
/** One sample for each name of a record. */
const each = <Value>(
  label: string,
  values: Readonly<Record<string, Value>> | undefined,
  figureOf: (value: Value) => number | null,
): Sample[] => Object.entries(values ?? {}).map(([name, value]) => [figureOf(value), { [label]: name }]);
const number = (value: number | null) => value;
const MS_PER_SECOND = 1000;

const ofRounds = toldBy('round', [
  ['counter', 'rounds', '{round}', 'Rounds that were trained.', () => one(1)],
  [
    'counter',
    'groups',
    '{group}',
    'Groups of trained rounds by what became of them; the states make up a round.',
    ({ metrics }) =>
      each('state', { trained: metrics.groups, lost: metrics.lostGroups, late: metrics.lateGroups }, number),
  ],
  [
    'counter',
    'trained_groups',
    '{group}',
    'Trained groups by age, in policy versions behind the one that they train.',
    ({ metrics }) => metrics.ages.map((groups, age) => [groups, { age: String(age) }]),
  ],
  [
    'counter',
    'stale_groups',
    '{group}',
    'Of the lost groups, those sampled with too old a policy, or for another interval.',
    ({ metrics }) => one(metrics.staleGroups),
  ],
  [
    'counter',
    'dropped_groups',
    '{group}',
    'Of the lost groups, those that operator stages dropped.',
    ({ metrics }) => one(metrics.droppedGroups ?? 0),
  ],
  [
    'counter',
    'zero_spread_groups',
    '{group}',
    'Trained groups whose branches all have the same reward.',
    ({ metrics }) => one(metrics.zeroSpreadGroups),
  ],
  [
    'counter',
    'outside_rewards',
    '{reward}',
    'Rewards of trained rounds that people or other programs gave.',
    ({ metrics }) => one(metrics.outsideRewards ?? 0),
  ],
  [
    'counter',
    'network_rows',
    '{row}',
    'Rows that went through the network.',
    ({ metrics }) => each('pass', { ...metrics.networkRows }, number),
  ],
  [
    'gauge',
    'scored_images',
    '{image}',
    'Images scored by the reward stages, of the whole run.',
    ({ metrics }) => one(metrics.rewardQueries),
  ],
  [
    'gauge',
    'policy_version',
    '{version}',
    'Newest policy: the rounds that it was trained for.',
    ({ metrics }) => one(metrics.policyVersion),
  ],
  ['gauge', 'reward_mean', '1', 'Mean reward of the newest round.', ({ metrics }) => one(metrics.rewardMean)],
  [
    'gauge',
    'reward_std',
    '1',
    'Standard deviation of the rewards of the newest round.',
    ({ metrics }) => one(metrics.rewardStd),
  ],
  [
    'gauge',
    'reward_part_mean',
    '1',
    'Mean of each part that rewards were combined from.',
    ({ metrics }) => each('part', metrics.rewardParts, ({ mean }) => mean),
  ],
  [
    'gauge',
    'reward_part_std',
    '1',
    'Standard deviation of each part that rewards were combined from.',
    ({ metrics }) => each('part', metrics.rewardParts, ({ std }) => std),
  ],
  [
    'gauge',
    'verified_alignment_ratio',
    '1',
    'Share of the images of the newest round that the verifier finds satisfied.',
    ({ metrics }) => one(metrics.verifiedAlignment),
  ],
  ['gauge', 'policy_loss', '1', 'Mean loss of the updates.', ({ metrics }) => one(metrics.policyLoss)],
  ['gauge', 'gradient_norm', '1', 'Mean L2 norm of gradients.', ({ metrics }) => one(metrics.gradNorm)],
  [
    'gauge',
    'clipped_ratio',
    '1',
    'Share of rows whose ratio lay outside the clip range.',
    ({ metrics }) => one(metrics.clipFraction),
  ],
  [
    'gauge',
    'approximate_kl',
    '1',
    'Half the mean squared change of the log-probs.',
    ({ metrics }) => one(metrics.approxKl),
  ],
  [
    'gauge',
    'ratio_deviation_max',
    '1',
    'Largest |ratio - 1| before the first step: where sampler and trainer disagree.',
    ({ metrics }) => one(metrics.maxRatioDeviation),
  ],
  [
    'gauge',
    'learning_rate_scale',
    '1',
    'Factor that guards and operators put on the learning rate.',
    ({ metrics }) => one(metrics.learningRateScale),
  ],
  [
    'gauge',
    'trainer_idle_ratio',
    '1',
    'Share of the newest round in which the trainer waited for groups.',
    ({ metrics }) => one(metrics.trainerIdleShare),
  ],
  [
    'gauge',
    'elapsed_seconds',
    's',
    'Work on the run so far, with that before a resume.',
    ({ metrics }) => one(metrics.elapsedSeconds),
  ],
  [
    'gauge',
    'event_loop_delay_p99_seconds',
    's',
    '99th percentile of the event-loop delay of the trainer in the newest round.',
    ({ metrics }) => one(metrics.eventLoopDelayP99Ms / MS_PER_SECOND),
  ],
  [
    'gauge',
    'peak_resident_memory_bytes',
    'By',
    'Peak resident set of the trainer.',
    ({ metrics }) => one(metrics.peakRssBytes),
  ],
  [
    'gauge',
    'feedback_agreement_ratio',
    '1',
    'Share of the voters of a group who made its most common choice.',
    ({ metrics }) => one(metrics.feedback?.agreement),
  ],
  [
    'counter',
    'feedback_votes',
    '{vote}',
    'Votes on trained groups that counted.',
    ({ metrics }) => one(metrics.feedback?.votes),
  ],
  [
    'gauge',
    'undecided_groups',
    '{group}',
    'Groups of the whole run that people decided too late, or not.',
    ({ metrics: { feedback } }) =>
      each('state', feedback && { expired: feedback.expiredGroups, stale: feedback.staleGroups }, number),
  ],
  [
    'counter',
    'gated_policies',
    '{policy}',
    'Policies by what the gate did with them.',
    ({ metrics: { promotion } }) =>
      each(
        'verdict',
        promotion && { promoted: Number(promotion.isPromoted), rolled_back: Number(!promotion.isPromoted) },
        number,
      ),
  ],
  [
    'gauge',
    'gate_log_prob_difference',
    '1',
    'Mean difference of the log-probs of trainer and sampler on the probe.',
    ({ metrics }) => one(metrics.promotion?.logProbDifference),
  ],
  [
    'gauge',
    'gate_reward_mean',
    '1',
    'Mean reward of the probe.',
    ({ metrics }) => one(metrics.promotion?.rewardMean),
  ],
  [
    'counter',
    'canary_verdicts',
    '{verdict}',
    'Rounds by what people chose between two policies.',
    ({ metrics: { canary } }) => (canary ? one(1, { verdict: canary.verdict }) : []),
  ],
]);

const ofEvaluations = toldBy('evaluation', [
  [
    'gauge',
    'evaluation_reward_mean',
    '1',
    'Mean reward of the newest evaluation.',
    ({ evaluation: { train, heldOut } }) =>
      each('prompts', { train, held_out: heldOut }, ({ rewardMean }) => rewardMean),
  ],
  [
    'gauge',
    'evaluation_alignment_ratio',
    '1',
    'Share of images of the newest evaluation that the verifier finds satisfied.',
    ({ evaluation: { train, heldOut } }) =>
      each('prompts', { train, held_out: heldOut }, ({ verifiedAlignment }) => verifiedAlignment),
  ],
  [
    'counter',
    'evaluation_seconds',
    's',
    'Time that evaluations took.',
    ({ evaluation }) => one(evaluation.seconds),
  ],
]);

const ofOtherEvents = [
  ...toldBy('progress', [
    ['gauge', 'round', '{round}', 'The round that is sampled, from 0.', ({ round }) => one(round)],
    ['gauge', 'planned_rounds', '{round}', 'Rounds of the run.', ({ numRounds }) => one(numRounds)],
    [
      'gauge',
      'sampled_groups',
      '{group}',
      'Groups of that round that this process sampled.',
      ({ groupsSampled }) => one(groupsSampled),
    ],
  ]),
  ...toldBy('worked', [
    [
      'gauge',
      'worker_idle_ratio',
      '1',
      'Share of its last round in which a sampler or reward worker was idle.',
      ({ role, idleShare }) => one(idleShare, { role }),
    ],
    [
      'counter',
      'worker_groups',
      '{group}',
      'Groups of its finished rounds that a sampler or reward worker did.',
      ({ role, groups }) => one(groups, { role }),
    ],
  ]),
  ...toldBy('passed-over', [
    [
      'counter',
      'skipped_messages',
      '{message}',
      'Rewards and trajectories that the trainer could not use: of groups that had theirs, or of trained rounds.',
      ({ repeated, late }) => each('reason', { repeated, late }, number),
    ],
  ]),
  ...toldBy('operated', [
    [
      'counter',
      'operator_messages',
      '{message}',
      'Messages by what an operator stage did with them.',
      ({ stage, passed, dropped, failed }) =>
        Object.entries({ passed, dropped, failed }).map(([outcome, count]) => [count, { stage, outcome }]),
    ],
  ]),
  ...toldBy('alarm', [
    [
      'counter',
      'alarms',
      '{alarm}',
      'Alarms of guards, of the gate and of the canary.',
      ({ alarm: { guard, action } }) => one(1, { guard, action }),
    ],
  ]),
  ...toldBy('warning', [
    ['counter', 'warnings', '{warning}', 'Warnings in the log of this process.', () => one(1)],
  ]),
  ...toldBy('checkpoint', [['counter', 'checkpoints', '{checkpoint}', 'Checkpoints saved.', () => one(1)]]),
];

const ofObservations = [
  ...toldBy('busy', [
    [
      'counter',
      'busy_seconds',
      's',
      'Time in which a part of this process worked: rollouts, scores, gradient steps.',
      ({ part, seconds }) => one(seconds, { part }),
    ],
  ]),
  ...toldBy('dead-letter', [
    [
      'counter',
      'dead_letters',
      '{message}',
      'Messages that this process gave up on, by topic, stage and reason.',
      ({ origin, stage, reason }) => one(1, { topic: origin, stage, reason }),
    ],
  ]),
  ...toldBy('carried', [
    [
      'counter',
      'message_bytes',
      'By',
      'Payloads that this process wrote and read, in records or by claim; nothing in memory.',
      ({ topic, direction, payload, bytes }) => one(bytes, { topic, direction, payload }),
    ],
  ]),
];

export const METRICS: readonly Metric[] = [
  ...ofRounds,
  ...ofEvaluations,
  ...ofOtherEvents,
  ...ofObservations,
];
