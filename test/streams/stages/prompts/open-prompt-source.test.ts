import { expect, it, onTestFinished } from 'vitest';
import { promptFingerprint } from '../../../../src/streams/prompt-files/prompt-fingerprint.js';
import { openPromptSource } from '../../../../src/streams/stages/prompts/open-prompt-source.js';
import { listed } from '../../../fixtures/listed-prompts.js';
import { stageBench } from '../stage-bench.js';

const file = (...prompts: string[]) => ({
  path: 'f',
  prompts: listed(...prompts),
  leftOut: { comments: 0, emptyLines: 0, weightZero: 0 },
  repeats: 0,
  fingerprint: promptFingerprint(listed(...prompts)),
});

it('should open every source that is merged, each with its list, or its topic and endpoint', async () => {
  const { context, events } = stageBench([
    'stages.prompts.source={from: merge, sources: {users: {from: topic, http: {port: 0}, whenEmpty: wait}, own: {from: file}, more: {from: file, file: m, weight: 2}}}',
  ]);
  const { config, transport } = context;
  const published: unknown[] = [];
  const topic = 'incoming-prompts-users' as 'incoming-prompts';
  const subscription = transport
    .subscribe({ topic, consumerGroup: 'test', maxInFlight: 8 })
    .subscribe(({ message }) => published.push(message));
  onTestFinished(() => subscription.unsubscribe());
  const lists = { train: file('a'), heldOut: file('h'), sources: { more: file('b', 'c') } };
  const say = (event: (typeof events)[number]) => events.push(event);
  const { source, close } = await openPromptSource({ config, transport, say, readLists: async () => lists });
  onTestFinished(close);
  expect(source).toMatchObject({
    from: 'merge',
    sources: [
      { from: 'topic', waits: true, weight: 1 },
      { from: 'file', prompts: listed('a'), isTrain: true },
      { from: 'file', prompts: listed('b', 'c'), isTrain: false, weight: 2 },
    ],
  });
  const url = events.map((event) => (event.kind === 'listening' ? event.url : ''))[0];
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}/prompts`, { method: 'POST', headers, body: '{"prompt":"a","id":"1"}' });
  expect([answer.status, published]).toEqual([202, [{ id: '1', prompt: 'a' }]]);
});
