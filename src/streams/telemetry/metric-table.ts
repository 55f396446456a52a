/**
 * @file The metrics of a process: one line each, from an event of the run or an observation to a figure. Names and units are
 * those of Prometheus and OpenTelemetry; counters get `_total` behind their name, and begin with the process.
 */

import { each, type Metric, number, one, toldBy } from './metric.js';
import { ROUND_METRICS } from './round-metrics.js';

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
  ...ROUND_METRICS,
  ...ofEvaluations,
  ...ofOtherEvents,
  ...ofObservations,
];
