import { expect, it } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { sharedConfig } from '../../../src/streams/config/resolved/shared-config.js';
import { requireConfig } from '../../../src/streams/config/source/lint-sources.js';
import { SMALLEST } from './valid-config.js';

const named = (...overrides: string[]) =>
  sharedConfig(requireConfig(lintTopology(SMALLEST, 'a.yaml', { overrides })));

it.each([
  'stages.prompts.plannedRounds=9',
  'model.pipeline=elsewhere',
  'engine.threads=7',
  'transport.kind=kafka',
  'stages.prompts.train=elsewhere.txt',
])('should let processes of a run differ in %s', (setting) => expect(named(setting)).toBe(named()));

it.each(['stages.prompts.numRounds=9', 'seed=8', 'model.lora.rank=2'])(
  'should have processes of a run agree on %s',
  (setting) => expect(named(setting)).not.toBe(named()),
);

it.each([
  ['a reward model', '{type: reward, model: HERE/model}'],
  ['a reward module', '{type: reward, from: module, path: HERE/reward.js}'],
  ['a tokenizer', '{type: reward, from: clip-score, model: HERE/clip, tokenizer: HERE/tokenizer}'],
  ['an endpoint', '{type: reward, from: http, url: "http://HERE:80"}'],
])('should let processes of a run have %s elsewhere', (_, reward) => {
  const at = (place: string) => named(`stages.reward=${reward.replaceAll('HERE', place)}`);
  expect(at('a')).toBe(at('b'));
});
