/** @file Keeps what the page knows up to date, from the first request to the last event. */

import { signal } from '@preact/signals';
import type { ServerEvent } from '../../client/types.js';
import { followEvents } from '../api/events.js';
import { wordsOf } from '../api/request.js';
import { resend } from './choices.js';
import { groupOf, loadOwn, loadQueue, noteGroup } from './groups.js';
import { noteStep } from './growth.js';
import { lastSharedStep } from './last-shared-step.js';
import { loadRun, noteLine, progress, runInfo } from './run.js';

/** Why the run cannot be shown; null if it can. */
export const trouble = signal<string | null>(null);

/** Follows the server until the page is closed. */
export function follow(): void {
  followEvents(take, refresh);
}

/** Asks for all that may have changed unheard. */
async function refresh(): Promise<void> {
  try {
    await loadRun();
    trouble.value = null;
    if (!runInfo.value?.feedback) return;
    await Promise.all([loadOwn(), loadQueue(), resend()]);
  } catch (error) {
    trouble.value = wordsOf(error);
  }
}

function take(event: ServerEvent): void {
  switch (event.type) {
    case 'group':
      noteGroup(event.group);
      break;
    case 'step': {
      const { state, tree } = groupOf(event.id) ?? {};
      if (state === 'drawing')
        noteStep(event.id, event.step, event.node, tree ? lastSharedStep(tree) : undefined);
      break;
    }
    case 'progress':
      progress.value = event;
      break;
    case 'metrics':
      noteLine(event.line, event.entry);
      break;
    case 'reset':
      void refresh();
      break;
    case 'run':
      loadRun().catch((error: unknown) => {
        trouble.value = wordsOf(error);
      });
  }
}
