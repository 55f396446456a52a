import { asyncScheduler, type SchedulerLike, type Subscription } from 'rxjs';
import type { PictureRequest } from '../../messages/people.js';
import { DeskError } from './desk.js';

interface DrawQueueOptions {
  /** Requests that wait or are being drawn, at most. */
  readonly maxQueued: number;
  /** Requests that are handed to the samplers at a time; the others can still be given up. */
  readonly atOnce: number;
  /** Hands a request to the samplers. */
  readonly send: (request: PictureRequest) => Promise<void>;
  readonly scheduler?: SchedulerLike;
}

interface Entry {
  readonly request: PictureRequest;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  readonly timer: Subscription;
  isSent: boolean;
}

/** Requests for pictures, first come, first served. */
export class DrawQueue {
  readonly #entries = new Map<string, Entry>();
  #isClosed = false;

  constructor(private readonly options: DrawQueueOptions) {}

  /** Requests that wait or are being drawn. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Resolves when the request is settled. Rejects with a {@link DeskError} when it is full, at the deadline of the request, and
   * when it is closed; with the reason of the signal when that is aborted.
   */
  add(request: PictureRequest, signal: AbortSignal): Promise<void> {
    const { maxQueued, scheduler = asyncScheduler } = this.options;
    const { id, requestedAt, expiresAt } = request;
    if (this.#isClosed) return Promise.reject(shuttingDown());
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#entries.size >= maxQueued) return Promise.reject(full(maxQueued));
    return new Promise((resolve, reject) => {
      const leave = (reason: unknown) => {
        reject(reason);
        // What the samplers have keeps its place until they answer, or it is too late for that.
        if (!this.#entries.get(id)?.isSent) this.#remove(id);
      };
      const onAbort = () => leave(signal.reason);
      const timer = scheduler.schedule(() => {
        reject(late(expiresAt - requestedAt));
        this.#remove(id);
      }, expiresAt - scheduler.now());
      timer.add(() => signal.removeEventListener('abort', onAbort));
      signal.addEventListener('abort', onAbort, { once: true });
      this.#entries.set(id, { request, resolve, reject, timer, isSent: false });
      this.#pump();
    });
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** A request has been drawn, or cannot be. */
  settle(id: string, fault: DeskError | null): void {
    const entry = this.#entries.get(id);
    if (fault) entry?.reject(fault);
    else entry?.resolve();
    this.#remove(id);
  }

  /** Rejects all that wait. */
  close(): void {
    this.#isClosed = true;
    for (const [id, { reject }] of this.#entries) {
      reject(shuttingDown());
      this.#remove(id);
    }
  }

  #remove(id: string): void {
    this.#entries.get(id)?.timer.unsubscribe();
    if (this.#entries.delete(id) && !this.#isClosed) this.#pump();
  }

  #pump(): void {
    const { atOnce, send } = this.options;
    const entries = [...this.#entries.values()];
    const room = atOnce - entries.filter(({ isSent }) => isSent).length;
    for (const entry of entries.filter(({ isSent }) => !isSent).slice(0, Math.max(0, room))) {
      entry.isSent = true;
      send(entry.request).catch((error: unknown) => {
        entry.reject(error);
        this.#remove(entry.request.id);
      });
    }
  }
}

export const shuttingDown = () =>
  new DeskError(
    'shutting-down',
    'gateway: expected a run in progress, got one that is ending. Try again later.',
  );

const full = (most: number) =>
  new DeskError(
    'queue-full',
    `gateway: expected at most ${most} requests at a time, got one more. Try again in some seconds.`,
  );

const late = (ms: number) =>
  new DeskError('deadline', `gateway: expected pictures within ${ms} ms, got none. Try again later.`);
