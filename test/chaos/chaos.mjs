/**
 * @file Kills the processes of a run, and the broker under it, with -9 at random moments, and judges what came of it.
 *
 *     npm run chaos -- [--kills 50] [--mode synchronous | asynchronous] [--seed 1] [--undisturbed <run directory>]
 *
 * Ends with 1 where a prompt was lost, a group was trained twice, or, in synchronous mode, the adapter is not that of the
 * undisturbed run to the last byte. Logs stay in the folder that it names.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { startBroker } from './broker.mjs';
import { judge } from './judge.mjs';
import { keepGoing } from './part.mjs';

const CONFIG = 'test/chaos/chaos.yaml';
const GROUPS_PER_ROUND = 4;
/** Longest wait before the next kill; and the share of kills that wait until the run has moved on since the one before. */
const SPREAD_MS = 3000;
const SHARE_THAT_WAITS = 0.7;
const MOST_MINUTES = 60;

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    mode: { type: 'string', default: 'synchronous' },
    seed: { type: 'string', default: '1' },
    // That of an earlier time with as many kills, which saves the time to compute it again.
    undisturbed: { type: 'string' },
  },
});
const kills = Number(values.kills);
const isSynchronous = values.mode === 'synchronous';
const numRounds = 2 * kills + 10;
const random = randomOf(Number(values.seed));
const folder = await mkdtemp(join(tmpdir(), 'tributary-chaos-'));
const started = performance.now();
const say = (text) =>
  console.log(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${text}`);

const set = [
  `stages.prompts.numRounds=${numRounds}`,
  ...(isSynchronous
    ? []
    : ['stages.prompts.runAhead=8', 'stages.trainer.maxStaleness=1', 'stages.schedule.first=10']),
];
const asOptions = (settings) => settings.flatMap((setting) => ['--set', setting]);

say(`${kills} kills, ${values.mode}, seed ${values.seed}; logs in ${folder}`);
const undisturbed = values.undisturbed ?? join(folder, 'undisturbed');
if (isSynchronous && values.undisturbed === undefined) {
  const args = ['dist/cli/main.js', 'run', CONFIG, '--run-dir', undisturbed, ...asOptions(set)];
  await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 28 });
  say(`undisturbed run of ${numRounds} rounds in one process`);
}

const broker = await startBroker(join(folder, 'kafka'));
const logs = join(folder, 'logs');
await mkdir(logs);
const kafka = [
  'transport.kind=kafka',
  `transport.kafka.brokers=[${broker.addresses}]`,
  'transport.kafka.partitions=4',
  `transport.kafka.payloads={type: folder, folder: ${JSON.stringify(join(folder, 'payloads'))}}`,
];
const path = join(folder, 'run');
let trained = 0;
const onSaid = ({ msg }) => {
  if (msg === 'round trained') trained += 1;
};
const part = (name, roles, ...options) =>
  keepGoing({
    name,
    args: ['run', CONFIG, '--roles', roles, ...options, ...asOptions([...set, ...kafka])],
    logs,
    onSaid,
  });
const parts = [
  part('trainer', 'trainer', '--run-dir', path),
  part('prompts', 'prompts'),
  part('sampler-1', 'sampler'),
  part('sampler-2', 'sampler'),
  part('reward', 'reward'),
];
let isOver = false;
const over = Promise.all(parts.map(({ ended }) => ended)).finally(() => {
  isOver = true;
});
const tooLong = wait(MOST_MINUTES * 60_000, undefined, { ref: false }).then(() => {
  throw new Error(`expected the run to end within ${MOST_MINUTES} minutes`);
});
let status = 1;
try {
  await Promise.race([over, tooLong, killAtRandom()]);
  await Promise.race([over, tooLong]);
  const victims = [broker, ...parts];
  const done = victims.reduce((sum, victim) => sum + victim.kills(), 0);
  say(`killed ${victims.map(({ name, kills: count }) => `${name} ${count()}`).join(', ')}`);
  const verdict = await judge({
    path,
    undisturbed: isSynchronous ? undisturbed : null,
    numRounds,
    groupsPerRound: GROUPS_PER_ROUND,
  });
  const faults = done < kills ? [`kills: expected ${kills}, got ${done}`, ...verdict.faults] : verdict.faults;
  for (const fault of faults) say(`FAULT ${fault}`);
  say(`${verdict.groups} groups trained once, ${verdict.lost} lost and counted; ${faults.length} faults`);
  status = faults.length > 0 ? 1 : 0;
} finally {
  for (const one of parts) one.stop();
  await broker.stop();
}
process.exit(status);

/** Kills until so many were killed, or the run is over. */
async function killAtRandom() {
  const victims = [...parts, ...parts.filter(({ name }) => name === 'trainer'), broker];
  for (let killed = 0; killed < kills && !isOver; killed++) {
    const before = trained;
    if (random() < SHARE_THAT_WAITS) while (trained === before && !isOver) await wait(50);
    await wait(random() * SPREAD_MS);
    const up = victims.filter((victim) => victim.isUp());
    const victim = up[Math.floor(random() * up.length)];
    if (!victim || isOver) continue;
    say(`kill ${killed + 1}: ${victim.name}, after ${trained} trained rounds`);
    victim.kill();
  }
}

/** Mulberry32: the same seed kills the same parts. */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
