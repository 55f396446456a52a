import type { RunHelpers } from 'rxjs/internal/testing/TestScheduler';
import { TestScheduler } from 'rxjs/testing';
import { expect } from 'vitest';

/** The TestScheduler's helpers, and the scheduler itself for operators that take one. */
export interface MarbleHelpers extends RunHelpers {
  readonly scheduler: TestScheduler;
}

/** Runs a body in virtual time; a failure prints one line a notification, `@frame kind value`. */
export function marbles(body: (helpers: MarbleHelpers) => void): void {
  const scheduler = new TestScheduler((actual, expected) => expect(render(actual)).toEqual(render(expected)));
  scheduler.run((helpers) => body({ ...helpers, scheduler }));
}

function render(log: unknown): unknown {
  return Array.isArray(log) ? log.map(renderEntry) : log;
}

function renderEntry(entry: unknown): unknown {
  if (typeof entry !== 'object' || entry === null) return entry;
  if ('subscribedFrame' in entry && 'unsubscribedFrame' in entry) {
    return `subscribed @${entry.subscribedFrame} until @${entry.unsubscribedFrame}`;
  }
  const { frame, notification } = entry as {
    frame: number;
    notification: { kind: string; value?: unknown; error?: unknown };
  };
  if (notification.kind === 'N') return `@${frame} next ${JSON.stringify(notification.value)}`;
  if (notification.kind === 'E') return `@${frame} error ${codeOf(notification.error)}`;
  return `@${frame} complete`;
}

/** Errors are told apart by their code; an error without one by its text. */
function codeOf(error: unknown): string {
  if (typeof error === 'object' && error !== null) {
    if ('code' in error) return String(error.code);
    if ('message' in error) return String(error.message);
  }
  return String(error);
}
