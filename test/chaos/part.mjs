import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** A part that ends by itself is started again, for a broker may be away; for longer than that it is a fault of its own. */
const MOST_MINUTES_DOWN = 4;
const PAUSE_MS = 2000;

/**
 * Keeps one process of a run going, as a service manager would: what dies is started again, what ends with 0 is done.
 *
 * @param {{ name: string, args: readonly string[], logs: string, onSaid: (message: string) => void }} options
 */
export function keepGoing({ name, args, logs, onSaid }) {
  const log = createWriteStream(join(logs, `${name}.log`), { flags: 'a' });
  let child;
  /** Since when it comes up and ends by itself again; null while it is up. */
  let downSince = null;
  let isWanted = true;
  let kills = 0;
  const ended = new Promise((resolve, reject) => {
    const start = () => {
      child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
      createInterface({ input: child.stderr }).on('line', (line) => {
        log.write(`${line}\n`);
        const said = line.startsWith('{') ? JSON.parse(line) : { msg: line };
        if (said.msg === 'round trained' || said.msg === 'takes part') downSince = null;
        onSaid(said);
      });
      child.once('close', (code, signal) => {
        log.write(`ended: ${signal ?? code}\n`);
        if (code === 0) return resolve(undefined);
        if (!isWanted) return resolve(undefined);
        if (signal === null) downSince ??= performance.now();
        if (downSince !== null && performance.now() - downSince > MOST_MINUTES_DOWN * 60_000)
          return reject(new Error(`${name} does not come up; read ${name}.log`));
        setTimeout(start, signal === null ? PAUSE_MS : 100);
      });
    };
    start();
  });
  return {
    name,
    ended,
    pid: () => child.pid,
    isUp: () => child.exitCode === null && child.signalCode === null,
    /** Kills it with -9; it comes back by itself. */
    kill() {
      kills += 1;
      child.kill('SIGKILL');
    },
    kills: () => kills,
    stop() {
      isWanted = false;
      child.kill('SIGKILL');
    },
  };
}
