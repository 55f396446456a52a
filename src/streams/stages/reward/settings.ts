import * as z from 'zod';
import { integer, number, section } from '../../../fields.js';
import { REWARD_SOURCES } from '../../../models/rewards/index.js';
import { LARGEST_MAGNITUDE } from '../../../operators/records/reward-fault.js';
import { portsField, roleField } from '../spec/port-fields.js';
import { defineStage } from '../spec/stage-spec.js';

const maxMagnitude = number({ from: '(0', to: `${LARGEST_MAGNITUDE}]` })
  .default(LARGEST_MAGNITUDE)
  .describe(
    'Largest absolute value of a reward from any source. A larger one counts as a fault: its group becomes a dead letter, and evaluations leave it out with a warning.',
  );

const oneAtATime = { maxMagnitude };
const sideBySide = (demand: string) => ({
  ...oneAtATime,
  concurrency: integer(1, 64)
    .default(1)
    .describe(`Groups that are scored at once. With more than 1, ${demand}.`),
});

const common = {
  type: z.literal('reward'),
  role: roleField('`reward`'),
  reads: portsField('read from', ['images']),
  writes: portsField('written to', ['rewards']),
};

type After = typeof oneAtATime | ReturnType<typeof sideBySide>;
const after = ({ sideBySide: demand }: { readonly sideBySide?: string }): After =>
  demand === undefined ? oneAtATime : sideBySide(demand);

const sources = REWARD_SOURCES.schema({ before: common, after, byDefault: 'model' });

/** A reward that evaluations ask for, and training never. */
export const goldReward = REWARD_SOURCES.schema({ after, byDefault: 'model' });

const fromTopic = section({
  ...common,
  from: z
    .literal('topic')
    .describe(
      'Rewards that others write to the topic: people, or a program of yours (docs/rewards.md). Nothing is scored here, so evaluations cannot ask for them; a part of a combination.',
    ),
  maxMagnitude,
});

export const rewardStage = defineStage({
  name: 'reward',
  summary: 'Scores every image of a group against its prompt.',
  consequences: {
    ordering: 'Rewards leave as soon as they are ready; the join does not depend on order.',
    delivery:
      'A reward that is not finite or exceeds maxMagnitude, a wrong number of rewards, or a failing model or service makes the group a dead letter, which is counted and never trained on.',
    memory:
      'Two batches of images, and network activations for each that the engine runs; with a service, one request for each group being scored.',
  },
  schema: z.discriminatedUnion('from', [...sources.options, fromTopic], { error: 'a mapping' }),
  reads: { images: 'group images' },
  writes: { rewards: 'group rewards', 'dead-letters': 'dead letter', metrics: 'metric' },
});
