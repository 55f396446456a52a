import type { RunEvent } from '../streams/run-events.js';

/** Says on standard error which wanted providers are not there, for commands that show nothing else of a run. */
export function sayFallbacks(event: RunEvent): void {
  if (event.kind !== 'provider') return;
  for (const fallback of event.fallbacks) {
    console.error(`warning: ${event.stage}: ${fallback}; it runs on ${event.provider}`);
  }
}
