/** @file A thread for tests: it can block as native code does, until the test opens a gate in shared memory. */

import { TributaryError } from '../../../dist/errors.js';
import { serveThread } from '../../../dist/models/threads/thread.js';

const finished = [];

serveThread(
  {
    async echo(argument) {
      finished.push('echo');
      return argument;
    },
    /** Says in gate[0] that it runs, then blocks the thread until gate[1] is set. */
    async block({ gate }) {
      Atomics.store(gate, 0, 1);
      Atomics.wait(gate, 1, 0);
      finished.push('block');
    },
    async failCoded() {
      throw new TributaryError('TRIB_LORA', 'lora: expected a, got b. Do c.', { retryable: true });
    },
    async failPlain() {
      throw new RangeError('plain');
    },
    async unsendable() {
      return () => 0;
    },
    async crash() {
      setImmediate(() => {
        throw new Error('the thread broke');
      });
      await new Promise(() => {});
    },
    async finished() {
      return [...finished];
    },
  },
  async () => {},
);
