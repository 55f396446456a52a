import { type FetchProgress, formatBytes } from '../../models/hub/fetch-model.js';
import { writeDuration } from '../../streams/report/figures.js';
import { createLog, type LogForm } from './log.js';
import { bar, openStatusLine, remainingTime, type StatusLine } from './status-line.js';

/** What shows a download while it goes on. */
interface FetchOutput {
  show(progress: FetchProgress): void;
  say(message: string): void;
  close(): void;
}

/** For people one line that is drawn over on a terminal, and elsewhere a line for every whole file; or JSON lines. */
export function openFetchOutput(log: LogForm): FetchOutput {
  return log === 'json' ? logOutput() : textOutput(openStatusLine(process.stderr));
}

function textOutput(line: StatusLine): FetchOutput {
  const remaining = remainingTime(() => performance.now() / 1000);
  return {
    show({ path, state, bytes, totalBytes }) {
      const share = totalBytes === 0 ? 1 : bytes / totalBytes;
      // Looking through what is here says nothing about the speed of the network.
      const seconds = state === 'checking' ? null : remaining(share);
      const left = seconds === null ? '' : ` · ${writeDuration(seconds)} left`;
      const file = state === 'checking' ? `checking ${path}` : path;
      const text = `${formatBytes(bytes)} of ${formatBytes(totalBytes)}${left} · ${file}`;
      line.draw(`${bar(share, 18)} ${text}`, state === 'whole' ? text : undefined);
    },
    say: (message) => line.print(message),
    close: () => line.clear(),
  };
}

function logOutput(): FetchOutput {
  const log = createLog();
  return {
    show({ path, state, bytes, totalBytes }) {
      if (state === 'whole') log.info({ path, bytes, totalBytes }, 'file fetched');
    },
    say: (message) => log.info(message),
    close: () => undefined,
  };
}
