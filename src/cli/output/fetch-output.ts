import { type FetchProgress, formatBytes } from '../../models/hub/fetch-model.js';
import { writeDuration } from '../../streams/report/figures.js';
import { createLog } from './log.js';
import { bar, remainingTime, statusLine, type Terminal } from './status-line.js';

/** What shows a download while it goes on. */
interface FetchOutput {
  show(progress: FetchProgress): void;
  say(message: string): void;
  close(): void;
}

/** One line that is drawn over on a terminal, and a line of JSON for every whole file where there is none. */
export function fetchOutput(stream: Terminal & { readonly isTTY?: boolean }): FetchOutput {
  return stream.isTTY ? terminalOutput(stream) : logOutput();
}

function terminalOutput(terminal: Terminal): FetchOutput {
  const line = statusLine(terminal);
  const remaining = remainingTime(() => performance.now() / 1000);
  return {
    show({ path, state, bytes, totalBytes }) {
      const share = totalBytes === 0 ? 1 : bytes / totalBytes;
      // Looking through what is here says nothing about the speed of the network.
      const seconds = state === 'checking' ? null : remaining(share);
      const left = seconds === null ? '' : ` · ${writeDuration(seconds)} left`;
      const file = state === 'checking' ? `checking ${path}` : path;
      line.draw(`${bar(share, 18)} ${formatBytes(bytes)} of ${formatBytes(totalBytes)}${left} · ${file}`);
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
