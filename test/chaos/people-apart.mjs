/**
 * @file A run over Kafka with two gateways, while a person asks for pictures and chooses: kills gateways, trainer and broker
 * with -9, one at a time in turn, and judges what both gateways and the trainer's log say afterwards.
 *
 *     node test/chaos/people-apart.mjs [--kills 20]
 *
 * Needs a build (npm run build) and, for the broker, what `npm run kafka:up` needs. Ends with 1 where an answered vote is missing
 * at a gateway or there twice, a round has other groups than its own, or the gateways differ on a group. Logs stay in the folder
 * that it names.
 */
import { mkdir, mkdtemp, readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startBroker } from './broker.mjs';
import { keepGoing } from './part.mjs';

const CONFIG = 'config/studio.yaml';
const GROUPS_PER_ROUND = 4;
const VOTER = 'ann';
/** Votes between two kills, and the longest wait after them. */
const VOTES_BETWEEN = 2;
const MOST_WAIT_MS = 2000;
/** Rounds after the last kill; before each turn there is one. */
const ROUNDS_AFTER = 2;
const ANSWER_MS = 60_000;
const MOST_MINUTES = 60;
const SETTLED_MINUTES = 3;

const { values } = parseArgs({ options: { kills: { type: 'string', default: '20' } } });
const kills = Number(values.kills);
const folder = await mkdtemp(join(tmpdir(), 'tributary-people-apart-'));
const started = performance.now();
const say = (text) =>
  console.log(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${text}`);
say(`${kills} kills; logs in ${folder}`);

const broker = await startBroker(join(folder, 'kafka'));
const logs = join(folder, 'logs');
await mkdir(logs);
const path = join(folder, 'run');
const ports = [await freePort(), await freePort()];
const storeOf = (index) => join(folder, `gateway-${index + 1}`);
const settings = [
  `stages.prompts.groupsPerRound=${GROUPS_PER_ROUND}`,
  `stages.prompts.runAhead=${GROUPS_PER_ROUND}`,
  'evaluation.trainPrompts=2',
  'evaluation.heldOutPrompts=2',
  'evaluation.imagesPerPrompt=1',
  'transport.kind=kafka',
  `transport.kafka.brokers=[${broker.addresses}]`,
  'transport.kafka.partitions=4',
  `transport.kafka.payloads={type: folder, folder: ${JSON.stringify(join(folder, 'payloads'))}}`,
];
const part = (name, roles, index = 0, ...options) =>
  keepGoing({
    name,
    args: [
      ...['run', CONFIG, '--roles', roles, ...options],
      ...[
        ...settings,
        `stages.gateway.store=${storeOf(index)}`,
        `stages.gateway.http.port=${ports[index]}`,
      ].flatMap((setting) => ['--set', setting]),
    ],
    logs,
    onSaid: () => undefined,
  });
const trainer = part('trainer', 'trainer,prompts,reward', 0, '--run-dir', path);
const sampler = part('sampler', 'sampler');
const gateways = ports.map((_, index) => part(`gateway-${index + 1}`, 'gateway', index));
const parts = [trainer, sampler, ...gateways];
const broken = Promise.all(parts.map(({ ended }) => ended)).then(() => {
  throw new Error('expected the run to go on, but it has ended');
});
const tooLong = wait(MOST_MINUTES * 60_000, undefined, { ref: false }).then(() => {
  throw new Error(`expected ${kills} kills within ${MOST_MINUTES} minutes`);
});

/** Ids of the groups whose vote was answered. */
const answered = [];
let isOver = false;
let status = 1;
try {
  const people = ports.map((port) => person(port));
  await Promise.race([broken, tooLong, killInTurn()]);
  isOver = true;
  await Promise.race([broken, tooLong, Promise.all(people)]);
  const faults = await settledFaults();
  for (const fault of faults) say(`FAULT ${fault}`);
  const rounds = (await roundLines()).length;
  const killed = [broker, trainer, ...gateways].map(({ name, kills: count }) => `${name} ${count()}`);
  say(`killed ${killed.join(', ')}`);
  say(`${answered.length} votes answered, ${rounds} rounds trained, ${faults.length} faults`);
  status = faults.length === 0 ? 0 : 1;
} finally {
  for (const one of parts) one.stop();
  await broker.stop();
}
process.exit(status);

async function killInTurn() {
  const victims = [gateways[0], trainer, broker, gateways[1]];
  for (let killed = 0; killed < kills; killed++) {
    const before = answered.length;
    while (answered.length < before + VOTES_BETWEEN) await wait(50);
    await wait(Math.random() * MOST_WAIT_MS);
    const turn = killed % victims.length;
    if (turn === 0) await trained(1);
    const victim = victims[turn];
    while (!victim.isUp()) await wait(50);
    say(`kill ${killed + 1}: ${victim.name}, after ${answered.length} votes`);
    await victim.kill();
  }
  await trained(ROUNDS_AFTER);
}

/** Waits until so many more rounds are trained. */
async function trained(more) {
  const wanted = (await roundLines()).length + more;
  while ((await roundLines()).length < wanted) await wait(200);
}

/** Asks one gateway for pictures and chooses, until all is over. A vote that was not answered is given again. */
async function person(port) {
  for (let seed = port; !isOver; seed++) {
    const asked = { prompt: 'a red circle above a blue square', user: VOTER, seed, response_format: 'url' };
    const drawn = await ask(port, '/v1/images/generations', asked);
    if (!drawn.id) continue;
    const vote = { user: VOTER, best: seed % 4 };
    let said = {};
    while (!isOver && !said.id) {
      said = await ask(port, `/v1/groups/${drawn.id}/feedback`, vote);
      // Another gateway is asked as well: a vote that is given twice is one.
      if (!said.id)
        said = await ask(
          ports.find((other) => other !== port),
          `/v1/groups/${drawn.id}/feedback`,
          vote,
        );
    }
    if (said.id) answered.push(drawn.id);
  }
}

/** What a gateway answers; nothing where it is away or refuses. */
async function ask(port, route, body) {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${route}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const said = await answer.json();
    if (answer.ok) return said;
  } catch {
    // It was killed, or is not up yet.
  }
  await wait(200);
  return {};
}

/** What is wrong once both gateways have had time to read all topics. */
async function settledFaults() {
  const until = performance.now() + SETTLED_MINUTES * 60_000;
  for (;;) {
    const faults = await faultsNow();
    if (faults.length === 0 || performance.now() > until) return faults;
    await wait(1000);
  }
}

async function faultsNow() {
  const rounds = await roundLines();
  const kept = await Promise.all(gateways.map((_, index) => readStore(storeOf(index))));
  const odd = rounds.filter(({ round }, index) => round !== index);
  return [
    ...odd.map(({ round }) => `round ${round}: it is not there once, in its place`),
    ...kept.flatMap(({ voted, groups }, index) => {
      const where = `gateway-${index + 1}`;
      return [
        ...answered
          .filter((id) => !voted.includes(id))
          .map((id) => `${where}: the answered vote on ${id} is lost`),
        ...voted
          .filter((id, place) => voted.indexOf(id) !== place)
          .map((id) => `${where}: the vote on ${id} is there twice`),
        ...rounds.flatMap(({ round, groups: trained, lostGroups }) => {
          const own = groups.filter((group) => group.round === round && group.left === null).length;
          return trained === own && trained + lostGroups === GROUPS_PER_ROUND
            ? []
            : [
                `${where}, round ${round}: expected ${trained} trained groups, got ${own}; ${lostGroups} were lost`,
              ];
        }),
      ];
    }),
  ];
}

async function readStore(store) {
  const ids = (await readdir(join(store, 'groups'))).filter((id) => !id.startsWith('.'));
  const groups = await Promise.all(ids.map((id) => linesOf(join(store, 'groups', id, 'group.json'))));
  const votes = await linesOf(join(store, 'votes.jsonl'));
  return { groups: groups.flat(), voted: votes.map(({ groupId }) => groupId) };
}

async function roundLines() {
  return (await linesOf(join(path, 'metrics.jsonl'))).filter(({ kind }) => kind === 'round');
}

async function linesOf(file) {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line));
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
