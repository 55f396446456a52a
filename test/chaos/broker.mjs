import { execFile } from 'node:child_process';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TOOL = ['tools/kafka/kafka.mjs'];

/** Starts a cluster of one broker with a folder of its own, which may be killed. */
export async function startBroker(folder) {
  const tool = async (command) =>
    (await run(process.execPath, [...TOOL, command, '--folder', folder])).stdout.trim();
  // The jars that are there need not be fetched again.
  await mkdir(folder, { recursive: true });
  await cp('.cache/kafka/lib', join(folder, 'lib'), { recursive: true }).catch(() => undefined);
  const addresses = await tool('up');
  let restarting = Promise.resolve();
  let kills = 0;
  return {
    name: 'broker',
    addresses,
    isUp: () => true,
    /** Kills it with -9, and starts it again with its data. */
    kill() {
      kills += 1;
      restarting = restarting.then(async () => {
        const { nodes } = JSON.parse(await readFile(join(folder, 'cluster.json'), 'utf8'));
        process.kill(nodes[0].pid, 'SIGKILL');
        // While the system clears up a process, its port still answers: a restart would take it for one that is up.
        while (await answers(nodes[0].port)) await wait(50);
        await tool('restart');
      });
      return restarting;
    },
    kills: () => kills,
    async stop() {
      await restarting;
      await tool('down');
    },
  };
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
