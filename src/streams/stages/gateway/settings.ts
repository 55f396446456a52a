import * as z from 'zod';
import { namesOf } from '../../../catalog.js';
import { filePath, integer, number, oneOf, section, text } from '../../../fields.js';
import { FEEDBACK_RULES } from '../../../operators/index.js';
import { ownFields, withOwnOptions } from '../../../own-entries.js';
import { portsField, roleField } from '../spec/port-fields.js';
import { defineStage } from '../spec/stage-spec.js';

/** Timers take no more: a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const hosts = (which: string, byDefault: string) =>
  z
    .array(text(which), { error: `a list of ${which}s` })
    .default([])
    .describe(byDefault);

const http = section({
  host: text('a host name or address')
    .default('127.0.0.1')
    .describe('Address that it listens on. If it is not a loopback address, require a token.'),
  port: integer(0, 65_535)
    .default(8080)
    .describe('Port that it listens on; 0 picks a free one, which the log reports.'),
  allowHosts: hosts(
    'host name',
    'Further host names that requests may use, such as that of a proxy; localhost, `host` and IP addresses are always allowed.',
  ),
  allowOrigins: hosts(
    'origin',
    'Origins of other pages that may call it from a browser, such as `https://studio.example`; its own page always may.',
  ),
})
  .prefault({})
  .describe(
    'Where people reach it, in the process with its role. If the environment variable TRIBUTARY_GATEWAY_TOKEN is set, requests need that bearer token.',
  );

const feedback = section({
  rule: oneOf(namesOf(FEEDBACK_RULES))
    .default('best-of-n')
    .describe(
      `How votes become rewards from 0 to 1: ${FEEDBACK_RULES.map(({ name, summary }) => `\`${name}\`, ${summary}`).join('; ')}. Any vote fits any rule; "none of them" gives all 0.`,
    ),
  voters: integer(1, 1000)
    .default(1)
    .describe('People who vote on a group before it is decided. One who skips it is none of them.'),
  weights: oneOf(['alike', 'agreement'])
    .default('alike')
    .describe(
      'How much each vote counts: `alike`, or by `agreement`, how likely its voter looks before choosing, as the votes on the newest 300 groups show. Use `agreement` where some may choose without looking; where tastes differ, it believes those who are more of one mind.',
    ),
})
  .prefault({})
  .describe('What decides on a group.');

const canary = section({
  share: number({ from: '(0', to: '1]' })
    .default(0.1)
    .describe(
      'Share of the prompts that both policies draw. Half of the pictures of such a group are those of the canary, so it costs two rollouts.',
    ),
  confidence: number({ from: '[0.5', to: '1)' })
    .default(0.95)
    .describe(
      'With which people prefer a policy before it is promoted or rolled back for it. It holds at all times at once: the choices are looked at after every round.',
    ),
  leastChoices: integer(1, 1_000_000)
    .default(20)
    .describe('Choices between both that are waited for before they say anything.'),
  mostRounds: integer(1, 500)
    .default(25)
    .describe(
      'A canary against which the choices of so many rounds say nothing is promoted. What people are given is at most twice as many rounds old, which `maxStaleness` must allow.',
    ),
})
  .optional()
  .describe(
    'Compares the policy that people are given with the next one, by what they choose among the pictures of both, and then gives them the next one, or takes the trainer back. Without it they are given the newest policy that passed the gate.',
  );

const serve = section({
  canary,
  rule: withOwnOptions(
    section({
      ...ownFields,
      timeoutMs: integer(1, LONGEST_TIMER_MS)
        .default(5000)
        .describe(
          'Milliseconds that the module may take for a prompt, or for the pictures of one. What is not judged by then is not served. Only asynchronous waiting is cut short; while a computation does not yield, nothing is served.',
        ),
    }),
  )
    .optional()
    .describe(
      'Your own rule of what people must not be given, exported by a JavaScript module: it judges prompts before they are drawn, and pictures before they are shown. What it refuses, or fails to judge, is not served and not trained on; the asker is told. It runs in a thread of its own.',
    ),
})
  .prefault({})
  .describe('What is served.');

export const gatewayStage = defineStage({
  name: 'gateway',
  summary:
    'Gives people pictures when they ask, takes what they say of them, and trains on each group once people have decided on it.',
  consequences: {
    ordering: 'Groups are trained in the order in which they are decided.',
    delivery:
      'A vote is on disk before it is answered. A group is trained at most once: its prompt gets a place in a round under the id of the group. Groups without a decision in time are counted and dropped; so are those that were drawn by a policy older than `maxStaleness` rounds, or for another interval, when their turn comes.',
    memory:
      'Holds `maxQueued` requests, `maxWaiting` groups without their pictures, what is known of the groups on disk, and the trajectories of groups in flight.',
  },
  schema: section({
    type: z.literal('gateway'),
    role: roleField('`gateway`'),
    reads: portsField('read from', ['drawn', 'feedback', 'prompts']),
    writes: portsField('written to', [
      'requests',
      'feedback',
      'incoming-prompts',
      'prompts',
      'trajectories',
      'rewards',
    ]),
    http,
    pictures: integer(2, 1024)
      .default(4)
      .describe('Pictures of a group: as many as the sampler makes, with one fork `numBranches`.'),
    guesses: integer(0, 16)
      .default(2)
      .describe(
        'Steps between the fork and the pictures of which is shown what the network took each branch for; the fork itself is always shown. Each costs one decoding a branch.',
      ),
    maxQueued: integer(1, 100_000)
      .default(50)
      .describe('Requests that may wait to be drawn; one more is refused. Bounds memory.'),
    answerWithinMs: integer(1, LONGEST_TIMER_MS)
      .default(30_000)
      .describe('A request whose pictures are not there after this many milliseconds is given up.'),
    feedbackWithinMs: integer(1, LONGEST_TIMER_MS)
      .default(86_400_000)
      .describe('A group on which people have not decided after this many milliseconds is dropped.'),
    catchUpWithinMs: integer(1, LONGEST_TIMER_MS)
      .default(30_000)
      .describe(
        'Over Kafka, where there may be several gateways: milliseconds that a vote waits for its group, and a group that got its place in a round for its decision, at a gateway that has not read of it yet. After that the vote is refused, and the group lost. As long are the answers of other gateways waited for, about a person.',
      ),
    maxWaiting: integer(1, 1_000_000)
      .default(500)
      .describe('Groups that may wait for a decision; the oldest is dropped where there is one more.'),
    feedback,
    serve,
    retention: section({
      groupsDays: integer(1, 36_500)
        .default(30)
        .describe('Days after which a group is removed from disk, and what was said of it.'),
      groups: integer(1, 10_000_000)
        .default(20_000)
        .describe(
          'Groups that are kept, at most: beyond that the oldest that are done with go. Bounds memory.',
        ),
    })
      .prefault({})
      .describe('How long groups are kept.'),
    store: filePath('the path of a folder', 'made')
      .optional()
      .describe(
        'Folder of groups, votes and preference pairs, one a gateway. Default: `gateway` in the run directory. A gateway apart from the trainer needs it; all processes of the run then state one, which may differ.',
      ),
  }),
  reads: {
    drawn: 'drawn pictures',
    feedback: 'feedback',
    prompts: 'prompt ticket',
    deletions: 'deletion',
    people: 'among gateways',
    progress: 'progress',
    schedule: 'training interval',
  },
  writes: {
    requests: 'picture request',
    feedback: 'feedback',
    'incoming-prompts': 'incoming prompt',
    prompts: 'prompt ticket',
    trajectories: 'group trajectories',
    rewards: 'group rewards',
    deletions: 'deletion',
    people: 'among gateways',
    metrics: 'metric',
  },
});
