import { describe, expect, it } from 'vitest';
import { stageWires } from '../../../../src/streams/config/graph/stage-wires.js';
import { rolesOf } from '../../../../src/streams/config/graph/topology-graph.js';
import { lintTopology } from '../../../../src/streams/config/lint-topology.js';
import { topologyToMermaid } from '../../../../src/streams/config/mermaid.js';
import { SMALLEST } from '../valid-config.js';

const linted = (...overrides: string[]) =>
  lintTopology(SMALLEST, 'a.yaml', { overrides: ['stages.people.type=gateway', ...overrides] });
const faults = (...overrides: string[]) =>
  linted(...overrides).faults.map(({ message }) =>
    message.replace(/^(--set .*|a\.yaml\S*) (?=stages\.)/, ''),
  );
const TOPIC = 'stages.prompts.source={from: topic}';
const MERGE = 'stages.prompts.source={from: merge, sources: {people: {from: topic}, file: {from: file}}}';

describe('a gateway in a topology', () => {
  it('should be wired without a word', () => {
    const { config, faults } = linted(TOPIC);
    expect(faults).toEqual([]);
    expect(config && rolesOf(config)).toEqual(
      ['prompts', 'sampler', 'reward', 'people', 'trainer'].map((role) => role.replace('people', 'gateway')),
    );
    expect(config && topologyToMermaid(config).split('\n')).toEqual(
      expect.arrayContaining([
        '  stage_people -- "requests" --> stage_sampler',
        '  stage_sampler -- "drawn" --> stage_people',
        '  stage_people -- "incoming-prompts" --> stage_prompts',
        '  stage_prompts -- "prompts" --> stage_people',
        '  stage_people -- "prompts-to-sample" --> stage_sampler',
        '  stage_people -- "rewards" --> stage_advantages',
      ]),
    );
  });

  it('should come in where sources are merged, and past a combination', () => {
    const merged = linted(
      MERGE,
      'stages.combine={type: combine, by: sum, parts: {reward: {}}}',
      'stages.advantages.reads={rewards: judged}',
      'stages.combine.writes={rewards: judged}',
    );
    expect(merged.faults).toEqual([]);
    const { stages } = merged.config ?? { stages: {} };
    const topicsOf = (side: 'reads' | 'writes', name: string) =>
      Object.fromEntries(stageWires(stages, name)[side].map(({ port, topic }) => [port, topic]));
    expect(topicsOf('writes', 'people')).toMatchObject({
      'incoming-prompts': 'incoming-prompts-people',
      rewards: 'judged',
    });
    expect(topicsOf('reads', 'combine')).toMatchObject({ prompts: 'prompts-to-sample' });
  });

  it('should leave a topology without one as it was', () => {
    const { config } = lintTopology(SMALLEST, 'a.yaml', {});
    expect(config && stageWires(config.stages, 'sampler').reads.map(({ topic }) => topic)).toEqual([
      'prompts',
      'schedule',
      'policy',
    ]);
  });

  it.each<[string, string[], string]>([
    [
      'groups that get no place',
      [],
      'stages.prompts.source: expected a source that reads "incoming-prompts", which the gateway writes, got from: file. Set from: topic, or merge both: { from: merge, sources: { people: { from: topic, priority: 1 }, file: { from: file } } }.',
    ],
    [
      'a canary beside branches that share their beginning',
      [TOPIC, 'stages.people.serve.canary={mostRounds: 3}', 'stages.trainer.maxStaleness=6'],
      'stages.sampler.forkPlan: expected independent, as two policies are compared within a group, got interval. Use independent, or remove the canary.',
    ],
    [
      'policies that are too old to train on',
      [TOPIC, 'stages.people.serve.canary={}', 'stages.sampler.forkPlan=independent'],
      'stages.trainer.maxStaleness: expected at least 50, twice mostRounds, as what people are given is that old, got 0. Raise it, or lower mostRounds.',
    ],
    [
      'a merge without it',
      ['stages.prompts.source={from: merge, sources: {file: {from: file}}}'],
      'stages.prompts.source: expected a source that reads "incoming-prompts-people", which the gateway writes, got from: merge. Add { people: { from: topic } } to its sources.',
    ],
    [
      'another number of pictures',
      [TOPIC, 'stages.people.pictures=5'],
      'stages.people.pictures: expected 4, the pictures that the sampler makes of a prompt, got 5. Use 4, or change numBranches of the stage "sampler".',
    ],
    [
      'tickets that come back',
      [TOPIC, 'stages.people.writes={prompts: prompts}', 'stages.sampler.reads={prompts: prompts}'],
      'stages.people.writes.prompts: expected another topic than the one it reads, got "prompts". Name another topic.',
    ],
    [
      'a best picture that is clipped more than the others',
      [
        TOPIC,
        'stages.people.pictures=8',
        'stages.sampler={type: sampler, numBranches: 8, guidanceScale: 1}',
        'stages.advantages={type: advantages, rule: group-z-score}',
        'stages.trainer.surrogate={type: diffusion-nft, advClipMax: 2.6}',
      ],
      'stages.trainer.surrogate.advClipMax: expected at least 2.65, the advantage of the best of 8 pictures, got 2.6. Raise it: if only what is chosen is clipped, training pushes away from all pictures.',
    ],
    [
      'weights by the agreement of one voter',
      [TOPIC, 'stages.people.feedback={weights: agreement}'],
      'stages.people.feedback.voters: expected at least 2, whose votes can agree, for weights: agreement, got 1. Raise it, or leave out weights.',
    ],
    [
      'a second gateway',
      [TOPIC, 'stages.more.type=gateway'],
      'stages.more.type: expected one stage of type gateway, got a second beside "people". Remove one of them.',
    ],
  ])('should have its faults found: %s', (_, overrides, fault) => {
    expect(faults(...overrides)).toContain(fault);
  });

  it('should leave a best picture alone that is clipped no more than the others', () => {
    const learning = (advClipMax: number) => [
      TOPIC,
      'stages.sampler={type: sampler, guidanceScale: 1}',
      'stages.advantages={type: advantages, rule: group-z-score}',
      `stages.trainer.surrogate={type: diffusion-nft, advClipMax: ${advClipMax}}`,
    ];
    expect(faults(...learning(1.8))).toEqual([]);
    expect(faults(...learning(1.7))).toHaveLength(1);
  });
});
