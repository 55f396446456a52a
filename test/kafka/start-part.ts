import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface EndedPart {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Lines that are no log. */
  readonly faults: readonly string[];
}

/** One process of a run, `tributary run --roles`. */
export interface Part {
  readonly child: ChildProcess;
  readonly ended: Promise<EndedPart>;
  /** Its log so far, a line an object. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  /** Resolves when a line of its log has said so; rejects when it ends before. */
  says(message: string): Promise<void>;
  /** Kills it with -9, and resolves when it is gone. */
  kill(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export function startPart(config: string, stages: string, args: readonly string[] = []): Part {
  const child = spawn(process.execPath, [PROGRAM, 'run', config, '--roles', stages, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const log: Record<string, unknown>[] = [];
  const faults: string[] = [];
  let hear: () => void = () => undefined;
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (!line.startsWith('{')) faults.push(line);
    else log.push(JSON.parse(line) as Record<string, unknown>);
    hear();
  });
  const ended = new Promise<EndedPart>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, faults }));
  });
  return {
    child,
    ended,
    log,
    says: (message) =>
      new Promise((resolve, reject) => {
        hear = () => {
          if (log.some(({ msg }) => msg === message)) resolve();
        };
        hear();
        ended.then(({ code }) => reject(new Error(`ended with ${code}: ${faults.join(' ')}`)), reject);
      }),
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
