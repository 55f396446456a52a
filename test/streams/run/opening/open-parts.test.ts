import { describe, expect, it } from 'vitest';
import type { RunEvent, Say } from '../../../../src/streams/messages/run-events.js';
import { OpenParts } from '../../../../src/streams/run/opening/open-parts.js';

function bench() {
  const said: string[] = [];
  const closed: string[] = [];
  const parts = new OpenParts((event) => said.push(event.kind === 'warning' ? event.message : event.kind));
  const warning = (message: string): RunEvent => ({ kind: 'warning', message });
  /** A part that says its name when it is open, and fails where it is asked to. */
  const open = (name: string, after: Promise<unknown>, fault?: string) =>
    parts.open(async (say: Say) => {
      say(warning(`${name} begins`));
      await after;
      if (fault !== undefined) throw new Error(fault);
      say(warning(`${name} is open`));
      return { name, say, close: async () => void closed.push(name) };
    });
  return { parts, said, closed, open, warning };
}
const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
};

describe('OpenParts', () => {
  it('should open parts at the same time, and pass on what they say in their order', async () => {
    const { parts, said, open, warning } = bench();
    let isSecondOpen = false;
    const second = new Promise<void>((resolve) => {
      setImmediate(() => {
        isSecondOpen = true;
        resolve();
      });
    });
    // The first waits for the second.
    const first = open('first', second);
    void open('second', second);
    await parts.ready();
    expect(isSecondOpen).toBe(true);
    expect(said).toEqual(['first begins', 'first is open', 'second begins', 'second is open']);
    (await first).say(warning('later'));
    expect(said.at(-1)).toBe('later');
  });

  it('should close all that were opened', async () => {
    const { parts, closed, open } = bench();
    void open('first', turns(1));
    void open('second', turns(0));
    await parts.ready();
    expect(closed).toEqual([]);
    await parts.close();
    expect(closed.sort()).toEqual(['first', 'second']);
  });

  it('should fail with the first that fails in their order, and close the others', async () => {
    const { parts, said, closed, open } = bench();
    void open('first', turns(5));
    void open('second', turns(9), 'no second');
    void open('third', turns(0), 'no third');
    void open('fourth', turns(20));
    await expect(parts.ready()).rejects.toThrow('no second');
    expect(said).toEqual(['first begins', 'first is open', 'second begins']);
    expect(closed.sort()).toEqual(['first', 'fourth']);
  });
});
