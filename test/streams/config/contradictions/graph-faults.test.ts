import { describe, expect, it } from 'vitest';
import { rolesOf } from '../../../../src/streams/config/graph/topology-graph.js';
import { lintTopology } from '../../../../src/streams/config/lint-topology.js';
import { topologyToMermaid } from '../../../../src/streams/config/mermaid.js';
import { type BadConfig, describeFaults } from '../describe-faults.js';
import { SMALLEST, withLine } from '../valid-config.js';

/** The smallest config with more stages after the reward. */
const more = (...lines: readonly string[]) =>
  withLine('reward:', ['reward: { type: reward, model: models/shapes/reward }', ...lines].join('\n  '));

const JUDGE = 'judge: { type: reward, from: http, url: "http://localhost:8000" }';
const combine = (fields: string) => `combine: { type: combine, ${fields} }`;
const operator = (name: string, reads: string, writes: string) =>
  `${name}: { type: operator, module: a.mjs, reads: ${reads}, writes: ${writes} }`;

/** Two rewards, combined. */
const COMPOSED = more(JUDGE, combine('parts: { reward: {}, judge: { weight: 2 } }'));

describeFaults('graphs that do not hold together', [
  [
    'two rewards for a group',
    more(JUDGE),
    [
      'a.yaml:8:10 stages.judge: expected one reward for each group on the topic "rewards", got a second beside that of "reward". Add a stage of type combine with both as its parts.',
    ],
  ],
  [
    'two stages of one name',
    more('reward: { type: reward, model: m }'),
    [
      'a.yaml:8:3 stages.reward the key: expected it once in a mapping, got it again after a.yaml:7:3. Remove one of them.',
    ],
  ],
  [
    'two stages of one name, whose second is no valid one and would leave a topic without writer',
    more('reward: { type: tap, reads: [images] }'),
    [
      'a.yaml:8:3 stages.reward the key: expected it once in a mapping, got it again after a.yaml:7:3. Remove one of them.',
    ],
  ],
  [
    'two stages of one name, whose second leaves topics without an end, and another fault',
    more('reward: { type: tap, reads: images, to: { type: file, path: a } }').replace(
      'sampler: {',
      'sampler: { eta: 3,',
    ),
    [
      'a.yaml:6:19 stages.sampler.eta: expected a number in (0, 2], got 3 (number). Change the value.',
      'a.yaml:8:3 stages.reward the key: expected it once in a mapping, got it again after a.yaml:7:3. Remove one of them.',
    ],
  ],
  [
    'two writers of a broadcast',
    more('second: { type: schedule, mode: fraction, timestepFraction: 1 }'),
    [
      'a.yaml:8:11 stages.second: expected one writer of the broadcast "schedule", got a second beside "schedule". Remove one of them.',
    ],
  ],
  [
    'two writers of two broadcasts',
    more('second: { type: trainer }'),
    [
      'a.yaml:10:12 stages.trainer: expected one writer of the broadcasts "policy" and "progress", got a second beside "second". Remove one of them.',
    ],
  ],
  [
    'three writers of a broadcast',
    more(...['second', 'third'].map((name) => `${name}: { type: schedule, mode: window, length: 1 }`)),
    ['second', 'third'].map(
      (name, index) =>
        `a.yaml:${8 + index}:${name.length + 5} stages.${name}: expected one writer of the broadcast "schedule", got a second beside "schedule". Remove one of them.`,
    ),
  ],
  [
    'a combination with a part that no stage writes',
    more(combine('parts: { reward: {}, judge: {} }')),
    [
      'a.yaml:8:57 stages.combine.parts.judge: expected a stage that writes its topic "rewards-judge" (group rewards), got no writer. Add a stage of type reward under the name of the part, `from: topic` where others write it; or remove the part.',
    ],
  ],
  [
    'an operator between topics that nobody writes or reads',
    more(operator('filter', 'images', 'good-images')),
    [
      'a.yaml:8:11 stages.filter: expected its topic "good-images" (group images) to be read by a stage, got no reader. Name it in `reads` of the stage that is to read it.',
    ],
  ],
  [
    'a port that is led to a topic that nobody writes',
    withLine('reward:', 'reward: { type: reward, model: m, reads: { images: good-images } }'),
    [
      'a.yaml:6:12 stages.sampler: expected its topic "images" (group images) to be read by a stage, got no reader. Add a stage of type reward.',
      'a.yaml:7:11 stages.reward: expected its topic "good-images" (group images) to be written by a stage, got no writer. Name it in `writes` of the stage that is to write it.',
    ],
  ],
  [
    'a port that is led to a topic of other messages',
    withLine('sampler:', 'sampler: { type: sampler, writes: { trajectories: pictures, images: pictures } }')
      .replace('model: models/shapes/reward', 'model: m, reads: { images: pictures }')
      .replace('rule: branch-centered', 'rule: branch-centered, reads: { trajectories: pictures }'),
    [
      'a.yaml:6:53 stages.sampler.writes.trajectories: expected a topic of group trajectories messages, got "pictures", which carries group images messages. Name another topic.',
      'a.yaml:8:81 stages.advantages.reads.trajectories: expected a topic of group trajectories messages, got "pictures", which carries group images messages. Name another topic.',
    ],
  ],
  [
    'a ring of operators',
    more(operator('left', 'there', 'back'), operator('right', 'back', 'there')),
    [
      'a.yaml:8:9 stages.left: expected no ring of topics without admission, got "left" to "right" to "left". Let one of them write to another topic.',
    ],
  ],
  [
    'an operator on a broadcast',
    more(operator('filter', 'policy', 'better')),
    [
      'a.yaml:8:11 stages.filter: expected its topic "better" (policy) to be read by a stage, got no reader. Name it in `reads` of the stage that is to read it.',
      'a.yaml:8:51 stages.filter.reads: expected a topic of incoming prompt, prompt ticket, group images, group trajectories, group rewards messages, got "policy", which carries policy messages. Name another topic.',
    ],
  ],
  [
    'an operator between topics of two kinds',
    more(operator('filter', 'images', 'rewards')),
    [
      'a.yaml:8:51 stages.filter.reads: expected two topics of one kind of message, got "images", which carries group images messages, and another. Name topics of one kind in `reads` and `writes`.',
    ],
  ],
  [
    'a topic that only a tap reads',
    more(
      operator('filter', 'images', 'good-images'),
      'tap: { type: tap, reads: good-images, to: { type: file, path: a.jsonl } }',
    ),
    [
      'a.yaml:8:11 stages.filter: expected its topic "good-images" (group images) to be read by a stage, got a tap alone, "tap". Name it in `reads` of the stage that is to read it.',
    ],
  ],
]);

describeFaults('combinations that do not fit', [
  [
    'a rule of parts without a combination for it',
    COMPOSED.replace('rule: branch-centered', 'rule: gdpo'),
    [
      'a.yaml:10:41 stages.advantages.rule: expected by: gdpo of the stage "combine" for the rule gdpo, got by: sum. Set stages.combine.by: gdpo.',
    ],
  ],
  [
    'parts that nobody adds up',
    COMPOSED.replace('type: combine,', 'type: combine, by: gdpo,'),
    [
      'a.yaml:9:33 stages.combine.by: expected the rule gdpo for parts that are not added up, got the rule branch-centered. Set stages.advantages.rule: gdpo, or by: sum.',
    ],
  ],
  [
    'weights where there is no sum',
    COMPOSED.replace('type: combine,', 'type: combine, by: minimum,'),
    [
      'a.yaml:9:80 stages.combine.parts.judge.weight: expected no weight with by: minimum, got 2. Remove it, or set by: sum.',
    ],
  ],
  [
    'weights that are all 0',
    COMPOSED.replace('reward: {}', 'reward: { weight: 0 }').replace('weight: 2', 'weight: 0'),
    [
      'a.yaml:9:56 stages.combine.parts.reward.weight: expected a part with a weight other than 0, got 0 for all 2 parts. Give the parts that count a weight.',
    ],
  ],
  ...[
    ['heavy', '"heavy" (string)'],
    ['1e300', '1e+300 (number)'],
    ['-2e9', '-2000000000 (number)'],
    ['.nan', 'NaN (number)'],
    ['.inf', 'Infinity (number)'],
  ].map(
    ([weight, got]): BadConfig => [
      `a weight that does not fit: ${weight}`,
      COMPOSED.replace('weight: 2', `weight: ${weight}`),
      [
        `a.yaml:9:67 stages.combine.parts.judge.weight: expected a number in [-1e9, 1e9], got ${got}. Change the value.`,
      ],
    ],
  ),
  [
    'weights that are lost beside what the rule of gdpo adds',
    COMPOSED.replace('type: combine,', 'type: combine, by: gdpo,')
      .replace('reward: {}', 'reward: { weight: 1e-5 }')
      .replace('weight: 2', 'weight: -1e-3')
      .replace('rule: branch-centered', 'rule: gdpo'),
    [
      'a.yaml:9:66 stages.combine.parts.reward.weight: expected a part with a weight of at least 0.01 or at most -0.01 with by: gdpo, got 0.001 at most for all 2 parts. Multiply the weights of all parts by one factor.',
    ],
  ],
  [
    'a deadline that nothing depends on',
    COMPOSED.replace('type: combine,', 'type: combine, deadlineMs: 5,'),
    [
      'a.yaml:9:41 stages.combine.deadlineMs: expected a part that need not be waited for, got missing: wait for all of them. Set missing: drop-group or leave-out for the parts that may be late, or remove deadlineMs.',
    ],
  ],
  [
    'rewards that nobody in one process can write',
    COMPOSED.replace('from: http, url: "http://localhost:8000"', 'from: topic'),
    [
      'a.yaml:8:32 stages.judge.from: expected transport.kind: kafka for rewards that others write and the run waits for, got in-process. Set it, or give the part missing: leave-out and a deadlineMs.',
    ],
  ],
]);

describe('a composed topology', () => {
  const text = `${more(
    'judge: { type: reward, from: http, url: "http://localhost:8000", role: judge, reads: { images: good-images } }',
    operator('blurred', 'images', 'good-images'),
    'people: { type: reward, from: topic }',
    combine('parts: { reward: {}, judge: {}, people: { missing: leave-out } }, deadlineMs: 60000'),
    'log: { type: tap, reads: rewards-judge, to: { type: file, path: a.jsonl } }',
  )}transport: { kind: kafka }\n`;
  const { config, faults } = lintTopology(text, 'a.yaml');

  it('should lint clean, with roles by name, by type and by reader', () => {
    expect(faults).toEqual([]);
    expect(config && rolesOf(config)).toEqual(['prompts', 'sampler', 'reward', 'judge', 'trainer']);
  });

  it('should be drawn as it is', () => {
    const lines = config ? topologyToMermaid(config).split('\n') : [];
    const plain = lintTopology(SMALLEST, 'a.yaml').config;
    const before = plain ? topologyToMermaid(plain).split('\n') : [];
    expect(lines.filter((line) => !before.includes(line) && !line.includes('control'))).toEqual([
      '  stage_judge["judge<br/><i>reward</i>"]',
      '  stage_blurred["blurred<br/><i>operator</i>"]',
      '  stage_combine["combine<br/><i>combine</i>"]',
      '  stage_log["log<br/><i>tap</i>"]',
      '  outside(["outside"])',
      '  outside_people(["people"])',
      '  stage_prompts -- "prompts" --> stage_combine',
      '  stage_sampler -- "images" --> stage_blurred',
      '  stage_combine -- "rewards" --> stage_advantages',
      '  stage_trainer -. "progress" .-> stage_combine',
      '  stage_judge -- "metrics" --> run',
      '  stage_judge -- "dead-letters" --> run',
      '  stage_reward -- "rewards-reward" --> stage_combine',
      '  stage_blurred -- "good-images" --> stage_judge',
      '  stage_judge -- "rewards-judge" --> stage_combine',
      '  stage_judge -- "rewards-judge" --> stage_log',
      '  outside_people -- "rewards-people" --> stage_combine',
      '  stage_log -- "file" --> outside',
    ]);
  });
});
