import { writeDuration } from '../../streams/report/figures.js';
import type { StudyEvent } from '../../streams/study/run-study.js';
import type { StudyProgress } from '../../streams/study/study-progress.js';
import { createLog, type LogForm } from './log.js';
import { bar, openStatusLine, remainingTime } from './status-line.js';

/** Shows a study while it goes on. */
export interface StudyOutput {
  show(event: StudyEvent, progress: StudyProgress): void;
  warn(message: string): void;
  close(): void;
}

const BAR_WIDTH = 18;

/** Returns what shows a study: to a person on standard error, or as JSON lines there. */
export function openStudyOutput(log: LogForm): StudyOutput {
  return log === 'json' ? logStudyOutput() : textStudyOutput(process.stderr, () => performance.now() / 1000);
}

/**
 * @param now Seconds from some origin.
 */
export function textStudyOutput(
  stream: Parameters<typeof openStatusLine>[0],
  now: () => number,
): StudyOutput {
  const line = openStatusLine(stream);
  const remaining = remainingTime(now);
  return {
    show(event, { active, ended, count, share }) {
      const name = nameOf(event.run);
      if (event.kind === 'warning') line.print(`warning: ${name}: ${event.message}`);
      if (event.kind === 'failed') line.print(`failed: ${name}: ${event.message}`);
      if (event.kind === 'complete') line.print(`complete: ${name}`);
      const seconds = remaining(share);
      const parts = [
        `${ended}/${count} runs`,
        ...active.map(({ run, completeRounds }) => `${nameOf(run)}: ${completeRounds}/${run.row.numRounds}`),
        ...(seconds === null ? [] : [`${writeDuration(seconds)} left`]),
      ];
      const text = parts.join(' · ');
      line.draw(`${bar(share, BAR_WIDTH)} ${text}`, event.kind === 'round' ? text : undefined);
    },
    warn: (message) => line.print(`warning: ${message}`),
    close: () => line.clear(),
  };
}

function logStudyOutput(): StudyOutput {
  const log = createLog();
  const remaining = remainingTime(() => performance.now() / 1000);
  return {
    show(event, { ended, count, share }) {
      const { row, seed } = event.run;
      const round = event.kind === 'round' ? { completeRounds: event.completeRounds } : {};
      const entry = { row: row.name, seed, ...round, ended, runs: count, secondsLeft: remaining(share) };
      if (event.kind === 'warning') log.warn(entry, event.message);
      else if (event.kind === 'failed') log.error(entry, event.message);
      else log.info(entry, `run ${event.kind}`);
    },
    warn: (message) => log.warn(message),
    close: () => undefined,
  };
}

const nameOf = ({ row, seed }: StudyEvent['run']) => `${row.name}, seed ${seed}`;
