import { VirtualTimeScheduler } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { DeskError } from '../../../../src/streams/stages/gateway/desk.js';
import { DrawQueue } from '../../../../src/streams/stages/gateway/draw-queue.js';

function start(send: () => Promise<void> = async () => undefined) {
  const scheduler = new VirtualTimeScheduler(undefined, 100);
  const sent: string[] = [];
  const queue = new DrawQueue({
    maxQueued: 3,
    atOnce: 1,
    scheduler,
    send(request) {
      sent.push(request.id);
      return send();
    },
  });
  const ends: string[] = [];
  const add = (id: string, signal = new AbortController().signal) => {
    const request = { id, prompt: 'a', seed: 0, requestedBy: 'ann', requestedAt: 0, expiresAt: 100 };
    const note = (error: Error) => ends.push(`${id} ${error instanceof DeskError ? error.code : error.name}`);
    return queue.add(request, signal).then(() => ends.push(id), note);
  };
  return { queue, scheduler, sent, ends, add };
}

describe('DrawQueue', () => {
  it('should hand requests out in order, and as many at a time as it may', async () => {
    const { queue, sent, ends, add } = start();
    const done = [add('a'), add('b'), add('c')];
    expect(sent).toEqual(['a']);
    queue.settle('a', null);
    queue.settle('b', null);
    await Promise.all(done.slice(0, 2));
    expect(sent).toEqual(['a', 'b', 'c']);
    expect(ends).toEqual(['a', 'b']);
    expect(queue.size).toBe(1);
  });

  it('should hand out nothing that was given up while it waited, and make room for another', async () => {
    const { queue, sent, ends, add } = start();
    const leaving = new AbortController();
    void add('a');
    const left = add('b', leaving.signal);
    void add('c');
    await add('d');
    leaving.abort();
    await left;
    void add('e');
    queue.settle('a', null);
    queue.settle('c', null);
    expect(sent).toEqual(['a', 'c', 'e']);
    expect(ends.slice(0, 2)).toEqual(['d queue-full', 'b AbortError']);
    await add('f', AbortSignal.abort());
    expect(ends.at(-1)).toBe('f AbortError');
  });

  it('should keep the place of what is being drawn for somebody who has left, until it is too late', async () => {
    const { queue, scheduler, sent, ends, add } = start();
    const leaving = new AbortController();
    const left = add('a', leaving.signal);
    const late = add('b');
    leaving.abort();
    await left;
    expect(sent).toEqual(['a']);
    scheduler.flush();
    await late;
    expect(sent).toEqual(['a', 'b']);
    expect(ends).toEqual(['a AbortError', 'b deadline']);
    expect(queue.size).toBe(0);
  });

  it('should pass on that a request cannot be handed out, and go on', async () => {
    const { queue, ends, add } = start(() => Promise.reject(new Error('no topic')));
    await Promise.all([add('a'), add('b')]);
    expect(ends).toEqual(['a Error', 'b Error']);
    expect(queue.size).toBe(0);
  });
});
