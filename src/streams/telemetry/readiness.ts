/** @file Whether a process can do its work: connected, models loaded, and as far as the run. */

import type { Observation, Observe } from '../messages/observations.js';

/** What a process must have reached before it is ready. */
export interface Readiness {
  /** Its cluster answers; in memory always. */
  readonly connected: boolean;
  /** The models of its roles are loaded. */
  readonly loaded: boolean;
  /** It knows how far the run is; a gateway has also read all that was there when it began. */
  readonly caughtUp: boolean;
}

export interface ReadinessWatch {
  readonly observe: Observe;
  /** What is reached now: asks the cluster, for at most `withinMs`. */
  now(): Promise<Readiness>;
  /** Asks what waits; nothing before the process is connected, or where the cluster does not answer. */
  lag: Extract<Observation, { kind: 'connected' }>['lag'];
}

/** Follows how far a process is. */
export function watchReadiness(withinMs: number): ReadinessWatch {
  let connected: Extract<Observation, { kind: 'connected' }> | null = null;
  let isLoaded = false;
  let joined: Extract<Observation, { kind: 'joined' }> | null = null;
  let isCaughtUp = false;
  const lag = async () => (await answered(connected?.lag(), withinMs)) ?? [];
  return {
    observe(observation) {
      if (observation.kind === 'connected') connected = observation;
      if (observation.kind === 'loaded') isLoaded = true;
      if (observation.kind === 'joined') joined = observation;
    },
    async now() {
      const isConnected = (await answered(connected?.lag(), withinMs)) !== null;
      const behind = joined?.behind ? await answered(joined.behind(), withinMs) : 0;
      isCaughtUp ||= joined !== null && behind === 0;
      return { connected: isConnected, loaded: isLoaded, caughtUp: isCaughtUp };
    },
    lag,
  };
}

/** Null where there is no answer in time. */
async function answered<Answer>(
  asked: Promise<Answer> | undefined,
  withinMs: number,
): Promise<Answer | null> {
  if (asked === undefined) return null;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), withinMs);
  });
  try {
    return await Promise.race([asked.catch(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}
