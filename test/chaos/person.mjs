/**
 * @file A run of the studio with a person in it, in a process of its own: `node person.mjs <run directory> <groups a round>
 * [resume]`. Says the id of each group whose vote was answered.
 */
import { loadTopology } from '../../dist/streams/config/load-topology.js';
import { openRunDirectory } from '../../dist/streams/directory/run-directory.js';
import { runTopology } from '../../dist/streams/run/run-topology.js';

const [path, groups, mode] = process.argv.slice(2);
const config = await loadTopology('config/studio.yaml', [
  `stages.prompts.groupsPerRound=${groups}`,
  `stages.prompts.runAhead=${groups}`,
  `stages.trainer.updates.samplesPerUpdate=${4 * Number(groups)}`,
  'evaluation.trainPrompts=2',
  'evaluation.heldOutPrompts=2',
  'evaluation.imagesPerPrompt=1',
]);
const prompt = 'a red circle above a blue square';
const voter = 'ann';

async function choose(desk, { id, seed }) {
  await desk.vote(id, { voter, best: seed % 4 });
  process.stdout.write(`${id}\n`);
}

async function person(desk) {
  for (const group of desk.needsFeedback({ voter, limit: 1000 })) await choose(desk, group);
  const { signal } = new AbortController();
  for (;;) await choose(desk, await desk.draw({ prompt, client: voter, signal }));
}

async function serveDesk(desk) {
  // Whoever kills the process ends it.
  person(desk).catch((error) => console.error(error));
  return { close: async () => undefined };
}

const warn = (message) => console.error(message);
const runDirectory = await openRunDirectory({ config, path, resume: mode === 'resume', warn });
runTopology({ runDirectory, signal: new AbortController().signal, serveDesk }).subscribe({
  error: (error) => {
    console.error(error);
    process.exit(1);
  },
});
