import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Observable } from 'rxjs';
import * as z from 'zod';
import { parseJsonOrNull } from '../../models/files/json-file.js';
import type { RunToDo, TrainingEvent } from './run-study.js';

/** Lines from the log of `tributary train`: the figures of a round, and warnings. */
const stageSchema = z.object({ round: z.int(), selectedSamples: z.int() });
const warningSchema = z.object({ level: z.literal(40), msg: z.string() });
const FAULT = 'error: ';

/**
 * Returns a function that trains a run in a process of its own: `tributary train`, with `--resume` if it has begun.
 *
 * Time: emits after every round, completes when the process has ended. Aborting `stopping` asks it to finish
 * the round in flight and to save; unsubscribing ends it at once, which loses no more than a crash.
 *
 * @param program Path of the compiled `tributary`.
 */
export function trainInChild(
  program: string,
  stopping: AbortSignal,
): (run: RunToDo) => Observable<TrainingEvent> {
  return (run) =>
    new Observable((subscriber) => {
      const child = spawn(process.execPath, [program, ...trainArguments(run)], {
        stdio: ['ignore', 'ignore', 'pipe'],
        // Ctrl-C reaches every process of the terminal's group; in its own group the child is told once, from here.
        detached: true,
      });
      const faults: string[] = [];
      const stop = () => child.kill('SIGTERM');
      stopping.addEventListener('abort', stop);
      createInterface({ input: child.stderr }).on('line', (line) => {
        if (line.startsWith(FAULT)) faults.push(line.slice(FAULT.length));
        for (const event of eventsOf(line)) {
          // Nothing to report: a stop was requested.
          if (event.kind !== 'warning' || !stopping.aborted) subscriber.next(event);
        }
      });
      child.on('error', (error) => subscriber.error(error));
      child.on('close', (code, signal) => {
        // Stopped before it could listen, the process dies of the signal; the run is not at fault.
        const wasStopped = signal !== null && stopping.aborted;
        if (code !== 0 && !wasStopped) {
          const message = faults.join('\n') || `tributary train: expected exit code 0, got ${code ?? signal}`;
          subscriber.next({ kind: 'failed', message });
        }
        subscriber.complete();
      });
      return () => {
        stopping.removeEventListener('abort', stop);
        if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      };
    });
}

/** The command line that trains a run. */
export function trainArguments({ row, seed, runPath, found }: RunToDo): string[] {
  const set = [...row.overrides, `seed=${seed}`].flatMap((override) => ['--set', override]);
  const resume = found.state === 'begun' ? ['--resume'] : [];
  return ['train', row.presetPath, ...set, '--run-dir', runPath, ...resume, '--json'];
}

function eventsOf(line: string): TrainingEvent[] {
  const value = parseJsonOrNull(line);
  const round = stageSchema.safeParse(value);
  if (round.success) return [{ kind: 'round', completeRounds: round.data.round + 1 }];
  const warning = warningSchema.safeParse(value);
  return warning.success ? [{ kind: 'warning', message: warning.data.msg }] : [];
}
