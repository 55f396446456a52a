/** @file A program that trains two rounds, and unsubscribes in the middle of the second. */

import { loadTopology, type RunEvent, TributaryError, train } from 'tributary-rl';

const [config = ''] = process.argv.slice(2);
const seen: RunEvent['kind'][] = [];
const run = train(await loadTopology(config)).subscribe({
  next(event) {
    seen.push(event.kind);
    if (event.kind === 'progress' && event.round === 1 && event.groupsSampled > 0) run.unsubscribe();
  },
  error(error: unknown) {
    console.error(error instanceof TributaryError ? error.code : error);
    process.exitCode = 1;
  },
});

// Said when nothing is left that would keep the process alive.
process.once('beforeExit', () => console.log(JSON.stringify(seen)));
