import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { topologyToMermaid } from '../../../src/streams/config/mermaid.js';
import { SMALLEST } from './valid-config.js';

describe('topologyToMermaid', () => {
  it('should draw every topic between its writers and readers', () => {
    const text = `${SMALLEST.replace('  rewards:', '  the--judge:')}topics: { images: pictures }\n`;
    const { config } = lintTopology(text, 'a.yaml');
    if (!config) throw new Error('no config');
    expect(topologyToMermaid(config)).toBe(`flowchart LR
  stage_prompts["prompts<br/><i>prompts</i>"]
  stage_schedule["schedule<br/><i>intervalSchedule</i>"]
  stage_sampler["sampler<br/><i>branchRollouts</i>"]
  stage_the__judge["the--judge<br/><i>scoreRewards</i>"]
  stage_advantages["advantages<br/><i>groupAdvantages</i>"]
  stage_trainer["trainer<br/><i>gradientSteps</i>"]
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
});
