/** @file What a process tells of itself besides the events of its run, where somebody asks for it. */

/** Messages that a consumer group has not answered. */
export interface Lag {
  readonly topic: string;
  readonly consumerGroup: string;
  readonly messages: number;
}

export type Observation =
  /** Its topics can be read and written; `lag` asks what waits in those that its stages read, a trainer in all. */
  | { readonly kind: 'connected'; readonly lag: () => Promise<readonly Lag[]> }
  /** The models of its roles are loaded. */
  | { readonly kind: 'loaded' }
  /** It knows how far the run is, and its stages are at work; `behind` asks how many messages a gateway has yet to read. */
  | { readonly kind: 'joined'; readonly behind?: (() => Promise<number>) | undefined }
  /** Work of a part ended; work that overlaps counts once. */
  | { readonly kind: 'busy'; readonly part: 'sampler' | 'reward' | 'trainer'; readonly seconds: number }
  /** A message was given up on here; `reason` is a code of src/errors.ts, or `refused` by its reader. */
  | {
      readonly kind: 'dead-letter';
      readonly origin: string;
      readonly stage: string;
      readonly reason: string;
    }
  /** Bytes of a message passed between this process and a log, or its payload store. */
  | {
      readonly kind: 'carried';
      readonly topic: string;
      readonly direction: 'written' | 'read';
      readonly payload: 'inline' | 'claim';
      readonly bytes: number;
    };

/** Takes what a process tells of itself. */
export type Observe = (observation: Observation) => void;
