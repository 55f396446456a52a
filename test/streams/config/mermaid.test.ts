import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { topologyToMermaid } from '../../../src/streams/config/mermaid.js';
import { SMALLEST } from './valid-config.js';

describe('topologyToMermaid', () => {
  it('should draw every topic between its writers and readers', () => {
    const text = `${SMALLEST.replace('  reward:', '  the--judge:')}topics: { images: pictures }\n`;
    const { config } = lintTopology(text, 'a.yaml');
    if (!config) throw new Error('no config');
    expect(topologyToMermaid(config)).toBe(`flowchart LR
  stage_prompts["prompts<br/><i>prompts</i>"]
  stage_schedule["schedule<br/><i>schedule</i>"]
  stage_sampler["sampler<br/><i>sampler</i>"]
  stage_the__judge["the--judge<br/><i>reward</i>"]
  stage_advantages["advantages<br/><i>advantages</i>"]
  stage_trainer["trainer<br/><i>trainer</i>"]
  run[("runs/tiny")]
  stage_prompts -- "prompts" --> stage_sampler
  stage_sampler -- "pictures" --> stage_the__judge
  stage_sampler -- "trajectories" --> stage_advantages
  stage_the__judge -- "rewards" --> stage_advantages
  stage_advantages -- "batches" --> stage_trainer
  stage_schedule -. "schedule" .-> stage_sampler
  stage_schedule -. "schedule" .-> stage_advantages
  stage_trainer -. "policy" .-> stage_sampler
  stage_trainer -. "policy" .-> stage_advantages
  stage_trainer -. "progress" .-> stage_prompts
  stage_trainer -. "progress" .-> stage_schedule
  stage_the__judge -- "metrics" --> run
  stage_the__judge -- "dead-letters" --> run
`);
  });

  it.each([
    ['a run in one process', [], []],
    [
      'an endpoint for prompts',
      ['stages.prompts.source={from: topic, http: {port: 0}}'],
      ['  endpoint(["POST /prompts"])', '  endpoint -- "incoming-prompts" --> stage_prompts'],
    ],
    [
      'a run over Kafka',
      ['transport.kind=kafka'],
      [
        '  operators(["tributary control"])',
        '  operators -. "control" .-> stage_prompts',
        '  operators -. "control" .-> stage_schedule',
        '  operators -. "control" .-> stage_trainer',
      ],
    ],
    [
      'prompts on a topic of Kafka',
      ['transport.kind=kafka', 'stages.prompts.source={from: topic}', 'topics.control=orders'],
      [
        '  traffic(["your own traffic"])',
        '  operators(["tributary control"])',
        '  traffic -- "incoming-prompts" --> stage_prompts',
        '  operators -. "orders" .-> stage_prompts',
        '  operators -. "orders" .-> stage_schedule',
        '  operators -. "orders" .-> stage_trainer',
      ],
    ],
  ])('should draw what comes from outside into %s', (_, overrides, outside) => {
    const linesOf = (settings: readonly string[]) => {
      const { config, faults } = lintTopology(SMALLEST, 'a.yaml', { overrides: settings });
      if (!config) throw new Error(faults.map(({ message }) => message).join('\n'));
      return topologyToMermaid(config).split('\n');
    };
    const inside = linesOf([]);
    expect(linesOf(overrides).filter((line) => !inside.includes(line))).toEqual(outside);
    expect(inside.filter((line) => !linesOf(overrides).includes(line))).toEqual([]);
  });
});
