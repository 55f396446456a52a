/**
 * @file Lets a run over Kafka go on for a long time, with ten times more prompts waiting than may be in flight, and measures
 * what memory its processes hold.
 *
 *     npm run soak -- [--minutes 30]
 *
 * Ends with 1 where the resident set of a process grows by more than 1 MB a minute after the first third of the time.
 */
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startBroker } from './broker.mjs';
import { keepGoing } from './part.mjs';

const RUN_AHEAD = 8;
const WAITING = 10 * RUN_AHEAD;
const SAMPLE_MS = 10_000;
const MOST_MB_PER_MINUTE = 1;
const PROMPT = 'a red circle above a blue square';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' } } });
const minutes = Number(values.minutes);
const folder = await mkdtemp(join(tmpdir(), 'tributary-soak-'));
const broker = await startBroker(join(folder, 'kafka'));
const settings = [
  'stages.prompts.numRounds=100000',
  `stages.prompts.runAhead=${RUN_AHEAD}`,
  `stages.prompts.source={from: topic, maxWaiting: ${WAITING}, http: {port: 0}}`,
  'stages.trainer.maxStaleness=1',
  'checkpoints.everyRounds=4',
  'transport.kind=kafka',
  `transport.kafka.brokers=[${broker.addresses}]`,
  'transport.kafka.partitions=4',
  `transport.kafka.payloads={type: folder, folder: ${JSON.stringify(join(folder, 'payloads'))}}`,
];
let trained = 0;
let url = null;
const onSaid = ({ msg, url: address }) => {
  if (msg === 'round trained') trained += 1;
  if (address) url = address;
};
const part = (name, ...options) =>
  keepGoing({
    name,
    args: ['run', 'test/chaos/chaos.yaml', ...options, ...settings.flatMap((setting) => ['--set', setting])],
    logs: folder,
    onSaid,
  });
const parts = [
  part('trainer', '--roles', 'trainer', '--run-dir', join(folder, 'run')),
  part('prompts', '--roles', 'prompts'),
  part('sampler', '--roles', 'sampler'),
  part('reward', '--roles', 'reward'),
];
console.log(
  `${minutes} minutes, ${WAITING} prompts waiting, ${RUN_AHEAD} groups in flight; logs in ${folder}`,
);
const startedAt = performance.now();
const elapsed = () => (performance.now() - startedAt) / 60_000;
const resident = new Map(parts.map(({ name }) => [name, []]));
let posted = 0;
let refused = 0;

void feed();
while (elapsed() < minutes) {
  await wait(SAMPLE_MS);
  for (const { name, pid } of parts) resident.get(name).push([elapsed(), await residentMb(pid())]);
}
let status = 0;
const rows = parts.map(({ name }) => {
  const late = resident.get(name).filter(([minute]) => minute > minutes / 3);
  const growth = slope(late);
  if (!(growth < MOST_MB_PER_MINUTE)) status = 1;
  const [first, last] = [late.at(0), late.at(-1)].map(([, mb]) => Math.round(mb));
  return {
    process: name,
    'MB a minute': growth.toFixed(2),
    'MB after a third': first,
    'MB at the end': last,
  };
});
console.table(rows);
console.log(`${trained} rounds; ${posted} prompts taken, ${refused} requests told to come later`);
for (const one of parts) one.stop();
await broker.stop();
process.exit(status);

/** Posts prompts for as long as they are taken: as many wait as may. */
async function feed() {
  for (let batch = 0; ; batch++) {
    const ids = Array.from({ length: 10 }, (_, index) => `soak-${batch}-${index}`);
    while (!(await post({ prompts: ids.map(() => PROMPT), ids }))) await wait(200);
    posted += ids.length;
  }
}

async function post(body) {
  if (url === null) return false;
  const response = await fetch(`${url}/prompts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }).catch(() => null);
  if (response?.status === 429) refused += 1;
  await response?.arrayBuffer();
  return response?.ok === true;
}

async function residentMb(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024;
}

/** Of the straight line through the points, by least squares. */
function slope(points) {
  const mean = (of) => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const across = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  return across / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}
