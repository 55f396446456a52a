import { describe, expect, it } from 'vitest';
import { groupAppends, type RecordsByTopic } from '../../../../src/streams/transport/kafka/group-appends.js';

/** A log whose sends are answered by hand. */
function start(maxBytes = 1000) {
  const sends: { readonly sent: string[]; readonly accept: () => void; readonly refuse: () => void }[] = [];
  const append = groupAppends({
    maxBytes,
    send: (records: RecordsByTopic) =>
      new Promise((resolve, reject) => {
        const sent = [...records].flatMap(([topic, ones]) => ones.map(({ key }) => `${topic}/${key}`));
        sends.push({ sent, accept: resolve, refuse: () => reject(new Error('gone')) });
      }),
  });
  const write = (topic: string, key: string, bytes = 1) =>
    append(topic, { key, value: new Uint8Array(bytes - 1), headers: {} });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return { sends, write, turn };
}

describe('groupAppends', () => {
  it('should send at once what stands alone, and then all that came meanwhile, in order', async () => {
    const { sends, write, turn } = start();
    const first = write('a', '1');
    await turn();
    const later = [write('a', '2'), write('b', '3'), write('a', '4')];
    await turn();
    expect(sends.map(({ sent }) => sent)).toEqual([['a/1']]);
    sends[0]?.accept();
    await first;
    await turn();
    expect(sends[1]?.sent).toEqual(['a/2', 'a/4', 'b/3']);
    sends[1]?.accept();
    await Promise.all(later);
  });

  it('should keep to the bound, and send alone what is larger', async () => {
    const { sends, write, turn } = start(74);
    for (const [key, bytes] of [
      ['1', 6],
      ['2', 4],
      ['3', 5],
      ['4', 50],
      ['5', 1],
    ] as const)
      write('a', key, bytes).catch(() => undefined);
    for (let index = 0; index < 5; index++) {
      await turn();
      sends[index]?.accept();
    }
    expect(sends.map(({ sent }) => sent)).toEqual([['a/1', 'a/2'], ['a/3'], ['a/4'], ['a/5']]);
  });

  it('should tell all writers of a group that it failed, and go on with the next', async () => {
    const { sends, write, turn } = start();
    const failing = Promise.allSettled([write('a', '1'), write('a', '2')]);
    await turn();
    const next = write('a', '3');
    sends[0]?.refuse();
    expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await turn();
    sends[1]?.accept();
    await next;
  });
});
