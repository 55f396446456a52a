/**
 * @file `npm run bench:kafka`: what the way over Kafka costs. Starts a broker of its own on loopback.
 *
 *     npm run bench:kafka -- [--only throughput,cost,scaling] [--rounds 3]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBroker } from '../../test/chaos/broker.mjs';
import { benchCost } from './cost.mjs';
import { benchScaling } from './scaling.mjs';
import { benchPrompts, benchTrajectories } from './throughput.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'throughput,cost,scaling' },
    rounds: { type: 'string', default: '3' },
  },
});
const wanted = values.only.split(',');
const rounds = Number(values.rounds);
const folder = await mkdtemp(join(tmpdir(), 'tributary-bench-kafka-'));
const broker = await startBroker(join(folder, 'kafka'));
const rows = [];
const note = (figure, value, required = '') => {
  rows.push({ figure, value, required });
  console.log(`${figure}: ${value}`);
};

console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}`);
try {
  const { addresses } = broker;
  // A broker that has just started compiles its code on the cores that are measured; those in use have been up for days.
  await warmUp({ addresses, folder });
  if (wanted.includes('throughput')) {
    const { bytesPerSecond, bytes } = await benchTrajectories({ addresses, folder });
    note(
      `trajectories of ${(bytes / 1e6).toFixed(2)} MB through one partition, from two processes to one, to their acknowledgement`,
      `${(bytesPerSecond / 1e6).toFixed(0)} MB/s`,
      'at least 60 MB/s',
    );
    const prompts = await benchPrompts({ addresses, folder });
    note('prompts published and delivered', `${prompts.toFixed(0)} a second`, 'at least 10,000 a second');
  }
  if (wanted.includes('cost')) {
    const { ratio, inProcess } = await benchCost({ addresses, folder, rounds });
    note(`one process over Kafka / in memory (${inProcess.toFixed(0)} s)`, ratio.toFixed(3), 'at most 1.10');
  }
  if (wanted.includes('scaling')) {
    const required = { 1: 95, 2: 95, 4: 90, 8: 85 };
    for (const { samplers, share } of await benchScaling({ addresses, folder }))
      note(
        `${samplers} samplers of 200 ms a batch, share of linear throughput`,
        `${(100 * share).toFixed(1)} %`,
        `at least ${required[samplers]} %`,
      );
  }
} finally {
  await broker.stop();
  await rm(folder, { recursive: true, force: true });
}
console.table(rows);

async function warmUp(place) {
  await benchTrajectories(place);
  await benchPrompts(place);
  await benchScaling(place, [8]);
}
