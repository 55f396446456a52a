/** @file Trees of a group with a schedule, a rule, a surrogate and updates that fit them. */
import fc from 'fast-check';
import { createSurrogate } from '../../../../src/models/objectives/index.js';
import { comparesPairs } from '../../../../src/models/objectives/surrogate.js';
import type { StageConfig } from '../../../../src/streams/config/schema/topology-schema.js';
import { count, share } from './numbers.js';
import { ruleWith } from './rules.js';
import { schedule } from './schedules.js';
import { surrogateOf } from './surrogates.js';

export interface Sizes {
  readonly numInferenceSteps: number;
  readonly numRounds: number;
  readonly groupsPerRound: number;
  readonly samplesPerUpdate: number;
}

type Sampler = StageConfig<'sampler'>;
type Trainer = StageConfig<'trainer'>;
type Tree = Pick<Sampler, 'numBranches' | 'forkPlan' | 'forkSteps'>;

export interface Rollouts {
  readonly tree: Tree;
  readonly stochasticSteps: Sampler['stochasticSteps'];
  readonly schedule: StageConfig<'schedule'>;
  readonly advantages: StageConfig<'advantages'>;
  readonly training: Pick<Trainer, 'surrogate' | 'updates' | 'value' | 'minibatchSize'>;
}

const ALL_STEPS = 1000;
// 3 branches at each of 6 steps: 729 rollouts.
const FEW_STEPS = 6;
const FEW_BRANCHES = fc.integer({ min: 2, max: 3 });

/** Ways to branch, each with what fits it. */
export function rollouts(sizes: Sizes): fc.Arbitrary<Rollouts> {
  const { numInferenceSteps, numRounds } = sizes;
  const scheduleOf = (most: number) => schedule(numInferenceSteps, numRounds, most);
  const none = fc.constant<number[]>([]);
  const noise = fc.constantFrom('all' as const, 'trained' as const);
  const onSteps = surrogateOf('steps', 'pairs').filter(({ type }) => type !== 'ddpo-sf');
  const onEdges = surrogateOf('steps').filter(({ type }) => type !== 'ddpo-sf');
  return fc.oneof(
    // One rollout a group: every group is one sample, as the score function needs to know.
    fc.record({
      tree: fc.record({
        numBranches: fc.constant(1),
        forkPlan: fc.constantFrom('interval' as const, 'independent' as const, 'trained-steps' as const),
        forkSteps: none,
      }),
      stochasticSteps: noise,
      schedule: scheduleOf(ALL_STEPS),
      advantages: ruleWith(({ comparesBranches }) => !comparesBranches),
      training: surrogateOf('steps', 'denoising')
        .filter((settings) => !comparesPairs(createSurrogate(settings)))
        .chain((settings) => training(settings, sizes)),
    }),
    fc.record({
      tree: fc.record({
        numBranches: fc.integer({ min: 2, max: 9 }),
        forkPlan: fc.constantFrom('interval' as const, 'independent' as const),
        forkSteps: none,
      }),
      stochasticSteps: noise,
      schedule: scheduleOf(ALL_STEPS),
      advantages: ruleWith(() => true),
      training: onSteps.chain((settings) => training(settings, sizes)),
    }),
    // Without noise: for surrogates that need no log-probs.
    fc.record({
      tree: fc.record({
        numBranches: fc.integer({ min: 2, max: 9 }),
        forkPlan: fc.constant('independent' as const),
        forkSteps: none,
      }),
      stochasticSteps: fc.constant('none' as const),
      schedule: scheduleOf(ALL_STEPS),
      advantages: ruleWith(() => true),
      training: surrogateOf('denoising').chain((settings) => training(settings, sizes)),
    }),
    fc.record({
      tree: fc.record({
        numBranches: FEW_BRANCHES,
        forkPlan: fc.constant('steps' as const),
        forkSteps: fc
          .uniqueArray(fc.integer({ min: 0, max: numInferenceSteps - 1 }), {
            minLength: 1,
            maxLength: FEW_STEPS,
          })
          .map((steps) => steps.sort((a, b) => a - b)),
      }),
      stochasticSteps: fc.constant('all' as const),
      schedule: scheduleOf(ALL_STEPS),
      advantages: ruleWith(({ creditsEdges }) => creditsEdges),
      training: onEdges.chain((settings) => training(settings, sizes)),
    }),
    fc.record({
      tree: fc.record({
        numBranches: FEW_BRANCHES,
        forkPlan: fc.constant('trained-steps' as const),
        forkSteps: none,
      }),
      stochasticSteps: noise,
      schedule: scheduleOf(FEW_STEPS),
      advantages: ruleWith(({ creditsEdges }) => creditsEdges),
      training: onEdges.chain((settings) => training(settings, sizes)),
    }),
  );
}

/** Updates, baseline and minibatch that a surrogate can have. */
function training(
  settings: Trainer['surrogate'],
  { samplesPerUpdate, groupsPerRound }: Sizes,
): fc.Arbitrary<Rollouts['training']> {
  const surrogate = createSurrogate(settings);
  const { trainsOn } = surrogate;
  const isScoreFunction = settings.type === 'ddpo-sf';
  const none = fc.constant({ type: 'none' as const });
  const network = fc.record({
    type: fc.constant('network' as const),
    learningRate: share,
    hidden: count(512),
    batchSize: count(512),
    stepsPerRound: count(9),
    batchesPerStep: count(9),
  });
  const stage = fc.record({
    from: fc.constant('round' as const),
    innerEpochs: isScoreFunction ? fc.constant(1) : count(4),
    samplesPerUpdate: fc.constant(isScoreFunction ? groupsPerRound : samplesPerUpdate),
    remainder: fc.constantFrom('train' as const, 'carry' as const, 'drop' as const),
  });
  const replay = count(1000).chain((capacity) =>
    fc.record({
      from: fc.constant('replay' as const),
      capacity: fc.constant(capacity),
      updatesPerRound: count(9),
      transitionsPerUpdate: count(capacity),
      drawsPerUpdate: fc.constant(1),
    }),
  );
  return fc.record({
    surrogate: fc.constant(settings),
    updates: trainsOn === 'steps' && !isScoreFunction ? fc.oneof(stage, replay) : stage,
    value: trainsOn === 'steps' ? fc.oneof(none, network) : none,
    minibatchSize: comparesPairs(surrogate) ? count(8).map((pairs) => 2 * pairs) : count(16),
  });
}
