/** @file Whether what people are given, and what they say, finds its way. */
import { at } from '../../../at.js';
import { advantageRuleTraits } from '../../../operators/index.js';
import { stageWires } from '../graph/stage-wires.js';
import { graphTopics, topicOf } from '../graph/topology-graph.js';
import { intervalTrees } from '../resolved/interval-trees.js';
import { hasIncomingPrompts } from '../resolved/prompt-sources.js';
import { findStage } from '../resolved/stage-of.js';
import { type ConfigRule, contradiction } from './config-rule.js';

/** A group on which people have decided gets its place in a round as any prompt that comes in. */
const decidedGroupsAreTrained: ConfigRule = (config) => {
  const gateway = findStage(config, 'gateway');
  const prompts = findStage(config, 'prompts');
  if (!gateway || !prompts) return [];
  const topic = topicOf(config, gateway.name, 'writes', 'incoming-prompts');
  const isRead = graphTopics(config).some(({ name, readers }) => name === topic && readers.length > 0);
  if (hasIncomingPrompts(config) && isRead) return [];
  const path = ['stages', prompts.name, 'source'];
  const { source } = prompts;
  return [
    contradiction(path, {
      expected: `a source that reads "${topic}", which the gateway writes`,
      got: `from: ${source.from}`,
      nextStep:
        source.from === 'merge'
          ? `Add { ${gateway.name}: { from: topic } } to its sources.`
          : `Set from: topic, or merge both: { from: merge, sources: { ${gateway.name}: { from: topic, priority: 1 }, file: { from: file } } }.`,
    }),
  ];
};

const picturesAreOfTheTree: ConfigRule = (config) => {
  const gateway = findStage(config, 'gateway');
  const sampler = findStage(config, 'sampler');
  if (!gateway || !sampler) return [];
  const other = intervalTrees(config).find(({ widths }) => at(widths, -1) !== gateway.pictures);
  if (!other) return [];
  const leaves = at(other.widths, -1);
  const said = {
    expected: `${leaves}, the pictures that the sampler makes of a prompt`,
    got: String(gateway.pictures),
    nextStep: `Use ${leaves}, or change numBranches of the stage "${sampler.name}".`,
  };
  return [
    contradiction(['stages', gateway.name, 'pictures'], said, [['stages', sampler.name, 'numBranches']]),
  ];
};

/** One vote a group is all that is said of it, however heavy, and no other to agree with. */
const agreementTakesSeveral: ConfigRule = (config) => {
  const gateway = findStage(config, 'gateway');
  if (!gateway || gateway.feedback.weights === 'alike' || gateway.feedback.voters > 1) return [];
  const path = ['stages', gateway.name, 'feedback'];
  return [
    contradiction(
      [...path, 'voters'],
      {
        expected: 'at least 2, whose votes can agree, for weights: agreement',
        got: String(gateway.feedback.voters),
        nextStep: 'Raise it, or leave out weights.',
      },
      [[...path, 'weights']],
    ),
  ];
};

/** Votes are one reward, and no parts. */
const rulesReadVotes: ConfigRule = (config) => {
  const gateway = findStage(config, 'gateway');
  const advantages = findStage(config, 'advantages');
  if (!gateway || !advantages || advantageRuleTraits(advantages).readsParts !== true) return [];
  return [
    contradiction(['stages', advantages.name, 'rule'], {
      expected: 'a rule that reads one reward, which is what votes give',
      got: `${advantages.rule}, which reads parts`,
      nextStep: 'Choose another rule, such as branch-centered.',
    }),
  ];
};

/** A ticket that the gateway passes on must not come back to it. */
const ticketsLeaveTheGateway: ConfigRule = (config) => {
  const gateway = findStage(config, 'gateway');
  if (!gateway) return [];
  const { reads, writes } = stageWires(config.stages, gateway.name);
  const read = reads.find(({ port }) => port === 'prompts')?.topic;
  const written = writes.find(({ port }) => port === 'prompts')?.topic;
  if (read !== written) return [];
  return [
    contradiction(['stages', gateway.name, 'writes', 'prompts'], {
      expected: 'another topic than the one it reads',
      got: `"${written}"`,
      nextStep: 'Name another topic.',
    }),
  ];
};

/**
 * The best of n has a z-score of √(n - 1) in its group and the others -1/√(n - 1). Where only the first is clipped, the push away
 * outweighs the pull, and the model is driven from all that it draws (docs/people.md).
 */
const chosenIsNotClipped: ConfigRule = (config) => {
  const gateway = findStage(config, 'gateway');
  const advantages = findStage(config, 'advantages');
  const trainer = findStage(config, 'trainer');
  if (!gateway || advantages?.rule !== 'group-z-score' || trainer?.surrogate.type !== 'diffusion-nft')
    return [];
  const most = Math.sqrt(gateway.pictures - 1);
  const { advClipMax } = trainer.surrogate;
  if (advantages.std !== 'group' || advClipMax >= most) return [];
  return [
    contradiction(
      ['stages', trainer.name, 'surrogate', 'advClipMax'],
      {
        expected: `at least ${most.toFixed(2)}, the advantage of the best of ${gateway.pictures} pictures`,
        got: String(advClipMax),
        nextStep: 'Raise it: if only what is chosen is clipped, training pushes away from all pictures.',
      },
      [['stages', gateway.name, 'pictures']],
    ),
  ];
};

/** Two policies can each draw some pictures of a group where these share nothing, and both are old when it is trained. */
const canaryFits: ConfigRule = (config) => {
  const gateway = findStage(config, 'gateway');
  const [sampler, trainer] = [findStage(config, 'sampler'), findStage(config, 'trainer')];
  const canary = gateway?.serve.canary;
  if (!canary || !sampler || !trainer) return [];
  const shares = intervalTrees(config).some(({ widths }) => at(widths, 0) !== at(widths, -1));
  const oldest = 2 * canary.mostRounds;
  const fault = (stage: string, field: string, expected: string, got: string | number, nextStep: string) =>
    contradiction(['stages', stage, field], { expected, got: String(got), nextStep }, [
      ['stages', gateway.name, 'serve', 'canary'],
    ]);
  const { forkPlan, sampleFrom } = sampler;
  return [
    shares &&
      fault(
        sampler.name,
        'forkPlan',
        'independent, as two policies are compared within a group',
        forkPlan,
        'Use independent, or remove the canary.',
      ),
    sampleFrom !== 'policy' &&
      fault(
        sampler.name,
        'sampleFrom',
        'policy, whose pictures are compared',
        sampleFrom,
        'Use policy, or remove the canary.',
      ),
    trainer.maxStaleness < oldest &&
      fault(
        trainer.name,
        'maxStaleness',
        `at least ${oldest}, twice mostRounds, as what people are given is that old`,
        trainer.maxStaleness,
        'Raise it, or lower mostRounds.',
      ),
  ].filter((one) => one !== false);
};

export const GATEWAY_RULES: readonly ConfigRule[] = [
  decidedGroupsAreTrained,
  picturesAreOfTheTree,
  agreementTakesSeveral,
  rulesReadVotes,
  ticketsLeaveTheGateway,
  chosenIsNotClipped,
  canaryFits,
];
