/** @file Messages of every topic as fast-check makes them: whole ones, whatever their sizes. */
import fc from 'fast-check';
import { roundToFloat16 } from '../../../../src/models/numeric/float16.js';
import type { Trajectory } from '../../../../src/models/rollouts/sampler.js';
import type { PromptTicket, RolloutGroup } from '../../../../src/operators/index.js';
import type { PromptMetadata } from '../../../../src/prompt-metadata.js';
import { leafCount, pathDepth, type RolloutTree } from '../../../../src/rollout-tree.js';
import { GUARD_NAMES } from '../../../../src/streams/guards/index.js';
import { GUARD_ACTIONS } from '../../../../src/streams/messages/control-state.js';
import type { TopicMessages } from '../../../../src/streams/messages/messages.js';
import type { Comparison } from '../../../../src/streams/messages/people.js';
import type { WireTopic } from '../../../../src/streams/transport/wire/wire-codecs.js';

const count = fc.nat({ max: 0xffffffff });
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

/** Of float32 numbers, or of float16 ones. */
function floats(length: number): fc.Arbitrary<Float32Array> {
  const of = (value: fc.Arbitrary<number>) => fc.array(value, { minLength: length, maxLength: length });
  const single = of(fc.float({ noNaN: true, noDefaultInfinity: true }));
  const half = of(fc.integer({ min: -60_000, max: 60_000 }).map((value) => roundToFloat16(value / 7)));
  return fc.oneof(single, half).map((values) => Float32Array.from(values));
}

const policy = { version: count, parameters: fc.dictionary(fc.string(), fc.nat(9).chain(floats)) };

/** Some of the pictures of a group, where it has several. */
const comparisonOf = (pictures: number): { comparison?: fc.Arbitrary<Comparison> } =>
  pictures === 1
    ? {}
    : {
        comparison: fc.record({
          canary: count,
          pictures: fc.subarray(
            Array.from({ length: pictures }, (_, index) => index),
            { minLength: 1, maxLength: pictures - 1 },
          ),
        }),
      };

/** Any JSON object that says something. */
const metadata = fc
  .dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { minKeys: 1, maxKeys: 5 })
  .map((value): PromptMetadata => JSON.parse(JSON.stringify(value)));

const ticket: fc.Arbitrary<PromptTicket> = fc.record(
  {
    groupId: fc.string({ minLength: 1 }),
    groupIndex: count,
    round: count,
    prompt: fc.string(),
    sourceId: fc.string(),
    metadata,
  },
  { requiredKeys: ['groupId', 'groupIndex', 'round', 'prompt'] },
);

/** Widths that divide each other, over so many steps. */
const widths = (steps: number) =>
  fc
    .array(fc.constantFrom(1, 1, 2, 3), { minLength: steps + 1, maxLength: steps + 1 })
    .map((ways) =>
      ways.map((_, depth) => ways.slice(0, depth + 1).reduce<number>((width, way) => width * way, 1)),
    )
    .filter((list) => (list.at(-1) ?? 0) <= 24);

const head = fc
  .record({ firstStep: fc.nat(4), steps: fc.integer({ min: 1, max: 5 }) })
  .chain(({ firstStep, steps }) =>
    fc.record({
      ticket,
      policyVersion: count,
      noiseIndex: fc.option(count, { nil: undefined }),
      trainedSteps: fc.subarray(
        Array.from({ length: firstStep + steps }, (_, step) => step),
        { minLength: 1 },
      ),
      round: count,
      numSteps: fc.constant(firstStep + steps),
      tree: widths(steps).map((list): RolloutTree => ({ firstStep, widths: list })),
    }),
  );

function groupOf<Branch>(
  branchesOf: (tree: RolloutTree, size: number) => fc.Arbitrary<readonly Branch[]>,
): fc.Arbitrary<RolloutGroup<Branch>> {
  return fc.tuple(head, fc.integer({ min: 1, max: 6 })).chain(([{ ticket: own, tree, ...rest }, size]) => {
    const { trainedSteps, round, numSteps, policyVersion, noiseIndex } = rest;
    const noise = noiseIndex !== undefined && { noiseIndex };
    const interval = { round, firstStep: trainedSteps[0] ?? 0, numSteps, trainedSteps };
    return branchesOf(tree, size).map((branches) => ({
      ...own,
      interval,
      tree,
      policyVersion,
      ...noise,
      branches,
    }));
  });
}

const leaves = <Branch>(tree: RolloutTree, leaf: (index: number) => fc.Arbitrary<Branch>) =>
  fc.tuple(...Array.from({ length: leafCount(tree) }, (_, index) => leaf(index)));

const images = fc
  .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 4 }))
  .chain(([height, width]) =>
    groupOf((tree) => leaves(tree, () => floats(3 * height * width))).map((group) => ({
      ...group,
      imageShape: [3, height, width] as const,
    })),
  );

const trajectoriesOf = (isSized: boolean) =>
  groupOf<Trajectory>((tree, size) =>
    leaves(tree, (leaf) => {
      const depth = pathDepth(tree, leaf);
      const steps = tree.widths.length - 1 - depth;
      return fc.record({
        firstStep: fc.constant(tree.firstStep + depth),
        latents: floats((steps + 1) * size),
        logProbs: floats(steps),
        ...(isSized && { latentShape: fc.constant([1, size, 1] as const) }),
      });
    }),
  );
const trajectories = fc.oneof(trajectoriesOf(false), trajectoriesOf(true));

const outcome = { groupId: fc.string({ minLength: 1 }), round: count };
const rewards = fc.oneof(
  fc.record({ ...outcome, rewards: fc.array(finite, { minLength: 1 }) }),
  fc.record({ ...outcome, rewards: fc.tuple(finite, finite) }).chain((whole) =>
    fc.record({
      ...outcome,
      rewards: fc.constant(whole.rewards),
      parts: fc.array(
        fc.record({
          name: fc.string({ minLength: 1 }),
          weight: finite,
          rewards: fc.tuple(finite, finite),
        }),
        { minLength: 1 },
      ),
    }),
  ),
  fc.record(
    {
      ...outcome,
      reason: fc.constantFrom('stale' as const, 'dead-letter' as const, 'unmatched', 'dropped' as const),
      detail: fc.string(),
      operator: fc.string({ minLength: 1 }),
    },
    { requiredKeys: ['groupId', 'round', 'reason', 'detail'] },
  ),
);

const guardChange = fc
  .record(
    {
      threshold: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
      action: fc.constantFrom(...GUARD_ACTIONS),
    },
    { requiredKeys: [] },
  )
  .filter((change) => Object.keys(change).length > 0);

const control: fc.Arbitrary<TopicMessages['control']> = fc.record({
  version: fc.integer({ min: 1, max: 0xffffffff }),
  learningRateScale: fc.double({ min: Number.MIN_VALUE, noNaN: true, noDefaultInfinity: true }),
  guards: fc
    .uniqueArray(fc.tuple(fc.constantFrom(...GUARD_NAMES), guardChange), { selector: ([name]) => name })
    .map((changes) => Object.fromEntries(changes)),
  schedule: fc.record({ shift: fc.integer(), frozenAt: fc.option(count) }),
  prompts: fc.option(
    fc.array(
      fc.record(
        {
          prompt: fc.string({ minLength: 1 }).filter((prompt) => prompt.trim() !== ''),
          weight: fc.oneof(
            fc.constant(1),
            fc.double({ min: Number.MIN_VALUE, noNaN: true, noDefaultInfinity: true }),
          ),
          metadata,
        },
        { requiredKeys: ['prompt', 'weight'] },
      ),
      { minLength: 1 },
    ),
  ),
});

const time = fc.double({ min: 0, max: 8.64e15, noNaN: true });
const question = fc.record({ id: fc.string({ minLength: 1 }), expiresAt: time });
const png = fc.uint8Array({ maxLength: 9 });
const request = fc.record({
  id: fc.bigInt({ min: 0n, max: 16n ** 24n - 1n }).map((bits) => `g-${bits.toString(16).padStart(24, '0')}`),
  prompt: fc.string(),
  seed: count,
  requestedBy: fc.string(),
  requestedAt: time,
  expiresAt: time,
});

/** A whole message of each topic. */
export const MESSAGES: { readonly [Topic in WireTopic]: fc.Arbitrary<TopicMessages[Topic]> } = {
  'incoming-prompts': fc.record(
    { id: fc.string({ minLength: 1 }), prompt: fc.string(), metadata },
    { requiredKeys: ['id', 'prompt'] },
  ),
  prompts: ticket,
  images,
  trajectories,
  rewards,
  schedule: head.map(({ round, numSteps, trainedSteps }) => ({
    round,
    firstStep: trainedSteps[0] ?? 0,
    numSteps,
    trainedSteps,
  })),
  policy: fc.record(
    {
      version: count,
      parameters: policy.parameters,
      served: fc.record({ stable: fc.record(policy), canary: fc.option(fc.record(policy)) }),
    },
    { requiredKeys: ['version', 'parameters'] },
  ),
  progress: fc.record(
    {
      finishedGroups: count,
      round: count,
      isOver: fc.boolean(),
      sharedConfig: fc.string(),
      trainPrompts: fc.string(),
      schedulePosition: count,
      partialRounds: fc.array(
        fc.record({ round: count, trained: fc.array(fc.string()), stale: fc.array(fc.string()) }),
        { minLength: 1, maxLength: 3 },
      ),
    },
    { requiredKeys: ['finishedGroups', 'round', 'isOver', 'sharedConfig'] },
  ),
  control,
  requests: request,
  drawn: fc.oneof(
    fc.record({ request, fault: fc.string() }),
    trajectories.chain((group) =>
      fc.record(
        {
          request,
          group: fc.constant(group),
          size: fc.tuple(count, count),
          pictures: leaves(group.tree, () => png),
          guesses: fc.array(fc.record({ step: count, node: count, png }), { maxLength: 3 }),
          ...comparisonOf(leafCount(group.tree)),
        },
        { requiredKeys: ['request', 'group', 'size', 'pictures', 'guesses'] },
      ),
    ),
  ),
  feedback: fc.record({
    groupId: fc.string({ minLength: 1 }),
    voter: fc.string({ minLength: 1 }),
    judgment: fc.oneof(
      fc.record({ best: count }),
      fc.record({ ranking: fc.array(count) }),
      fc.record({ ratings: fc.array(fc.double({ min: 0, max: 1, noNaN: true })) }),
      fc.constant({ none: true as const }),
      fc.constant({ skip: true as const }),
    ),
    givenAt: time,
  }),
  deletions: fc.record({
    person: fc.bigInt({ min: 0n, max: 16n ** 64n - 1n }).map((bits) => bits.toString(16).padStart(64, '0')),
    deletedAt: time,
    question,
  }),
  people: fc.oneof(
    fc.record({ question, person: fc.string({ minLength: 1 }) }),
    fc.record({
      answerTo: fc.string({ minLength: 1 }),
      gateway: fc.string({ minLength: 1 }),
      found: fc.oneof(
        fc.record({
          groups: fc.array(fc.record({ record: fc.string(), votes: count })),
          votes: fc.array(fc.string()),
        }),
        fc.record({ removedGroups: count, removedVotes: count }),
      ),
    }),
  ),
  metrics: fc.oneof(
    fc.nat(1000).chain((pictures) =>
      fc.record(
        {
          kind: fc.constant('scored' as const),
          groupId: fc.string(),
          round: count,
          images: fc.constant(pictures),
          stage: fc.string({ minLength: 1 }),
          verdicts: fc.option(fc.record({ satisfied: fc.nat(pictures), score: finite })),
        },
        { requiredKeys: ['kind', 'groupId', 'round', 'images', 'verdicts'] },
      ),
    ),
    fc.record(
      {
        kind: fc.constant('judged' as const),
        groupId: fc.string(),
        round: count,
        votes: count,
        agreement: fc.double({ min: 0, max: 1, noNaN: true }),
        expired: count,
        stale: count,
        choice: fc.record({ canary: count, preference: fc.constantFrom(-1, 0, 1) }),
      },
      { requiredKeys: ['kind', 'groupId', 'round', 'votes', 'agreement', 'expired', 'stale'] },
    ),
  ),
};

export const WIRE_TOPICS = Object.keys(MESSAGES) as WireTopic[];
