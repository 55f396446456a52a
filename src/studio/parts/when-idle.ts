/** @file Work that waits its turn: one piece in a frame, so that no frame is late. */

const waiting = new Set<() => void>();
let isScheduled = false;

function next(): void {
  const [work] = waiting;
  if (!work) {
    isScheduled = false;
    return;
  }
  waiting.delete(work);
  requestAnimationFrame(next);
  work();
}

/** Does a piece of work in one of the next frames, alone. Returns what takes it back. */
export function whenIdle(work: () => void): () => void {
  waiting.add(work);
  if (!isScheduled) {
    isScheduled = true;
    requestAnimationFrame(next);
  }
  return () => waiting.delete(work);
}
