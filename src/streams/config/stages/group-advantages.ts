import { z } from 'zod';
import { integer, number, oneOf, section } from '../fields.js';
import { defineStage } from '../stage-spec.js';

const historyStages = integer(0, 1000)
  .default(8)
  .describe(
    'Past training stages whose scores of the same prompt count for its mean and deviation, beside the current one. More are steadier, but old scores come from weaker policies and lift the z-scores.',
  );

const stdFloor = number({ from: '[0', to: 'Infinity)' })
  .default(0)
  .describe(
    'Smallest standard deviation to divide by, in units of the reward. 0 is faithful to the papers; a floor keeps rewards of few distinct values from exploding when a prompt has hardly any spread.',
  );

const rules = z.discriminatedUnion(
  'rule',
  [
    section({
      type: z.literal('groupAdvantages'),
      rule: z
        .literal('history')
        .describe(
          'B²-DiffuRL as released: z-score over the prompt and its history; of each group the best and the worst branch, where they pass their thresholds.',
        ),
      historyStages,
      bestThreshold: number({ from: '(-Infinity', to: 'Infinity)' })
        .default(0.5)
        .describe(
          'The best branch is kept when its z >= this. Higher keeps fewer, clearer samples. Not below worstThreshold.',
        ),
      worstThreshold: number({ from: '(-Infinity', to: 'Infinity)' })
        .default(-0.5)
        .describe('The worst branch is kept when its z < this. Lower keeps fewer, clearer samples.'),
      stdFloor,
    }),
    section({
      type: z.literal('groupAdvantages'),
      rule: z
        .literal('branch-centred')
        .describe(
          'The advantage of a branch is its z minus the mean z of its group: the luck of the shared prefix drops out.',
        ),
      minGap: number({ from: '[0', to: 'Infinity)' })
        .default(0.5)
        .describe(
          'A group is trained on when the z of its best and worst branch are at least this far apart. Higher leaves out groups whose branches hardly differ.',
        ),
      keep: oneOf(['extremes', 'all'])
        .default('extremes')
        .describe(
          '`extremes` trains on the best and the worst branch; `all` on every branch, at a cost of numBranches / 2.',
        ),
      historyStages,
      stdFloor,
    }),
    section({
      type: z.literal('groupAdvantages'),
      rule: z
        .literal('per-prompt')
        .describe(
          "DDPO's rule: z-score over the newest rewards of the prompt; every sample is trained on. The only rule that needs no branches.",
        ),
      bufferSize: integer(1)
        .default(32)
        .describe('Newest rewards of a prompt that count. More are steadier and follow the policy later.'),
      minCount: integer(1)
        .default(16)
        .describe(
          'Rewards a prompt must have before its own statistics are used; until then those of the whole training stage are. At most bufferSize.',
        ),
      stdFloor,
    }),
  ],
  { error: 'a mapping' },
);

export const groupAdvantagesStage = defineStage({
  type: 'groupAdvantages',
  summary: 'Joins trajectories with rewards, closes a training stage and turns rewards into advantages.',
  consequences: {
    ordering: 'Groups are sorted by index before they are used, so nothing depends on arrival.',
    delivery:
      'A group that comes twice counts once. A lost group (dead letter, too stale, never matched) is counted and closes its stage with the rest.',
    memory: 'The trajectories of the training stages that are open, and the reward history of every prompt.',
  },
  schema: rules,
  reads: {
    trajectories: 'group trajectories',
    rewards: 'group rewards',
    schedule: 'training interval',
    policy: 'policy',
  },
  writes: { batches: 'stage batch' },
});
