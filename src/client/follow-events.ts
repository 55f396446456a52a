import type { ServerEvent } from './types.js';

type Open = (headers: Readonly<Record<string, string>>) => Promise<Response>;

const LONGEST_WAIT_MS = 30_000;

/**
 * Reads server-sent events, connection after connection, until the signal is aborted. Each connection names the last event of the
 * one before.
 *
 * Errors: those of the first connection, and refusals (4xx) of later ones.
 */
export async function* followEvents(
  open: Open,
  { signal, waitMs }: { readonly signal: AbortSignal | undefined; readonly waitMs: number },
): AsyncGenerator<ServerEvent, void> {
  const isOver = () => signal?.aborted === true;
  let lastId = '';
  let wait = waitMs;
  for (let isFirst = true; !isOver(); isFirst = false) {
    try {
      const response = await open(lastId === '' ? {} : { 'last-event-id': lastId });
      for await (const { id, data } of eventsOf(response)) {
        lastId = id;
        wait = waitMs;
        yield JSON.parse(data) as ServerEvent;
      }
    } catch (error) {
      if (isOver()) return;
      if (isFirst || isRefusal(error)) throw error;
    }
    if (isOver()) return;
    await pause(wait, signal);
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  }
}

const isRefusal = (error: unknown) =>
  error instanceof Error && 'status' in error && Number(error.status) < 500 && Number(error.status) !== 429;

/** The events of one connection, as the HTML standard has them; what has no data is a sign of life. */
async function* eventsOf(response: Response): AsyncGenerator<{ readonly id: string; readonly data: string }> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  try {
    let rest = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const blocks = `${rest}${part.value}`.split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const fieldOf = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
        const data = fieldOf('data');
        if (data !== undefined) yield { id: fieldOf('id') ?? '', data };
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
}
