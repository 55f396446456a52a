/** @file The server's events, for as long as the page is open. */

import { signal } from '@preact/signals';
import type { ServerEvent } from '../../client/types.js';

/** Whether what is shown is what is. */
export const connection = signal<'connecting' | 'live' | 'lost'>('connecting');

const TYPES: readonly ServerEvent['type'][] = ['group', 'step', 'progress', 'metrics', 'run', 'reset'];
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;

/**
 * Follows the events. A connection that breaks is opened again, after longer and longer waits.
 *
 * @param onGap called with each connection, as whatever came between two of them has been missed, and where the server
 * refuses one: the answer to another request says why.
 */
export function followEvents(onEvent: (event: ServerEvent) => void, onGap: () => unknown): () => void {
  let wait = FIRST_WAIT_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let source: EventSource | undefined;
  const open = () => {
    source = new EventSource('v1/events');
    source.onopen = () => {
      wait = FIRST_WAIT_MS;
      connection.value = 'live';
      onGap();
    };
    source.onerror = () => {
      connection.value = 'lost';
      // The browser tries again by itself, unless the server refused.
      if (source?.readyState !== EventSource.CLOSED) return;
      onGap();
      timer = setTimeout(open, wait);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    };
    for (const type of TYPES)
      source.addEventListener(type, ({ data }: MessageEvent<string>) => onEvent(JSON.parse(data)));
  };
  open();
  return () => {
    clearTimeout(timer);
    source?.close();
  };
}
