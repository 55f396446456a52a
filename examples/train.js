// Training from code: a run as a stream of events, stopped after its second round.
//
//     node examples/train.js [config]
//
// Prints the mean reward of each round, then where the run is saved. `tributary train <config> --resume` would go on.

import { loadTopology, train } from 'tributary-rl';

const [config = 'tributary:shapes-b2-branch', runDirectory = 'runs/from-code'] = process.argv.slice(2);
const topology = await loadTopology(config, ['seed=8']);

const stop = new AbortController();
await train(topology, { runDirectory, signal: stop.signal }).forEach((event) => {
  if (event.kind !== 'round') return;
  const { round, rewardMean } = event.metrics;
  console.log(`round ${round}: mean reward ${rewardMean?.toFixed(3)}`);
  if (round === 1) stop.abort();
});
console.log(`saved in ${runDirectory}`);
