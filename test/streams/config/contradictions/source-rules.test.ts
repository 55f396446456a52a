import { expect, it } from 'vitest';
import { lintTopology } from '../../../../src/streams/config/lint-topology.js';
import { topologyToMermaid } from '../../../../src/streams/config/mermaid.js';
import { SMALLEST } from '../valid-config.js';

const linted = (sources: string, ...others: string[]) =>
  lintTopology(SMALLEST, 'a.yaml', {
    overrides: [`stages.prompts.source={from: merge, sources: ${sources}}`, ...others],
  });
const faults = (...args: Parameters<typeof linted>) =>
  linted(...args).faults.map(({ message }) => message.replace(/^(--set .*|a\.yaml\S*) (?=stages\.)/, ''));
const OPERATOR =
  'stages.clean={type: operator, module: m.mjs, reads: incoming-prompts-users, writes: clean-prompts}';

it('should take sources of every kind', () => {
  const sources =
    '{users: {from: topic, priority: 2, topic: clean-prompts, http: {port: 0}}, people: {from: topic, priority: 1}, a: {from: file, weight: 3}, b: {from: file, file: b.jsonl}}';
  const { config, faults } = linted(sources, OPERATOR);
  expect(faults).toEqual([]);
  const lines = config && topologyToMermaid(config).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      '  endpoint_users -- "incoming-prompts-users" --> stage_clean',
      '  stage_clean -- "clean-prompts" --> stage_prompts',
    ]),
  );
});

it('should find sources that never have a turn', () => {
  expect(
    faults('{a: {from: file, priority: 2}, b: {from: topic, priority: 1}, c: {from: topic, priority: 3}}'),
  ).toEqual([
    'stages.prompts.source.sources.b.priority: expected a priority of at least 2, that of sources which never pass their turn on, got 1. Raise it: files always have prompts, and `whenEmpty: wait` waits for them.',
  ]);
  expect(faults('{a: {from: topic, whenEmpty: wait}, b: {from: file, priority: -1}}')).toHaveLength(1);
  expect(faults('{a: {from: topic}, b: {from: file, priority: -1}}')).toEqual([]);
});

it('should find topics that lead to no source, or to two', () => {
  expect(faults('{users: {from: topic, topic: clean-prompts, http: {port: 0}}}')).toEqual([
    'stages.prompts: expected its topic "clean-prompts" (incoming prompt) to be written by a stage, got no writer. Name it in `writes` of the stage that is to write it.',
    'stages.prompts.source.sources.users.http: expected an operator stage that reads "incoming-prompts-users", which the endpoint writes, got none. Lead it from there to "clean-prompts", or remove the setting topic.',
  ]);
  expect(
    faults('{users: {from: topic, topic: clean-prompts}, b: {from: topic, topic: clean-prompts}}', OPERATOR),
  ).toEqual([
    'stages.prompts.source.sources.b.topic: expected a topic of its own, got "clean-prompts", which is that of the source "users". Name another one, or remove one of the sources.',
  ]);
  expect(faults('{b: {from: topic}}', 'stages.prompts.reads={incoming-prompts: mine}')).toEqual([
    'stages.prompts.reads.incoming-prompts: expected no topic for all sources where several are merged, got "mine". Set the topic of the source that is to read it.',
  ]);
});
