import type { RunEvent } from '../../streams/messages/run-events.js';

/** Says warnings on standard error, wanted providers that are not there among them, for commands that show nothing else of a run. */
export function sayWarnings(event: RunEvent): void {
  if (event.kind === 'warning') console.error(`warning: ${event.message}`);
  if (event.kind !== 'provider') return;
  for (const fallback of event.fallbacks) {
    console.error(`warning: ${event.stage}: ${fallback}; it runs on ${event.provider}`);
  }
}
