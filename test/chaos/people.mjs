/**
 * @file Kills a run in one process with -9, again and again, while a person asks it for pictures and chooses, and looks whether it
 * kept what it had answered for.
 *
 *     node test/chaos/people.mjs [--kills 20]
 *
 * Ends with 1 where an answered vote is missing or there twice, a group was trained in two rounds, or a round has other groups
 * than its own.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const GROUPS_PER_ROUND = 4;
const MOST_VOTES = 16;
const MOST_WAIT_MS = 400;

const { values } = parseArgs({ options: { kills: { type: 'string', default: '20' } } });
const path = join(await mkdtemp(join(tmpdir(), 'tributary-people-')), 'run');
const answered = [];
for (let kill = 0; kill < Number(values.kills); kill++) {
  const child = spawn(
    process.execPath,
    ['test/chaos/person.mjs', path, String(GROUPS_PER_ROUND), ...(kill === 0 ? [] : ['resume'])],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = once(child, 'exit');
  const votes = 1 + Math.floor(Math.random() * MOST_VOTES);
  let count = 0;
  for await (const id of createInterface(child.stdout)) {
    answered.push(id);
    count += 1;
    if (count === votes) wait(Math.random() * MOST_WAIT_MS).then(() => child.kill('SIGKILL'));
  }
  await ended;
  console.log(`kill ${kill + 1}: ${answered.length} votes answered`);
}

const linesOf = async (...names) =>
  (await readFile(join(path, ...names), 'utf8'))
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line));
const voted = (await linesOf('gateway', 'votes.jsonl')).map(({ groupId }) => groupId);
const rounds = (await linesOf('metrics.jsonl')).filter(({ kind }) => kind === 'round');
const ids = (await readdir(join(path, 'gateway', 'groups'))).filter((id) => !id.startsWith('.'));
const groups = (await Promise.all(ids.map((id) => linesOf('gateway', 'groups', id, 'group.json')))).flat();
const faults = [
  ...answered.filter((id) => !voted.includes(id)).map((id) => `vote on ${id}: it was answered, and is lost`),
  ...voted.filter((id, index) => voted.indexOf(id) !== index).map((id) => `vote on ${id}: it is there twice`),
  ...rounds
    .filter(({ round }, index) => round !== index)
    .map(({ round }) => `round ${round}: it is not there once, in its place`),
  ...rounds.flatMap(({ round, groups: trained, lostGroups }) => {
    const own = groups.filter((group) => group.round === round && group.left === null).length;
    return trained === own && trained + lostGroups === GROUPS_PER_ROUND
      ? []
      : [
          `round ${round}: expected its ${own} groups of ${GROUPS_PER_ROUND}, got ${trained} and ${lostGroups} lost`,
        ];
  }),
];
for (const fault of faults) console.error(fault);
console.log(
  `${answered.length} votes answered over ${values.kills} kills, ${rounds.length} rounds trained, ${faults.length} faults`,
);
process.exitCode = faults.length === 0 ? 0 : 1;
