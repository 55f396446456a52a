const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** A request to stop that a person or the system may make while `signal` is watched. */
export interface Interrupt {
  readonly signal: AbortSignal;
  /** Stops watching. */
  release(): void;
}

/**
 * Watches for Ctrl-C and SIGTERM. The first one aborts the signal, so that work can end in order; the next one finds no
 * handler and ends the process at once, as the shell's code 130 says. Nothing is lost by that: files are replaced whole.
 */
export function watchInterrupt(onInterrupt: () => void): Interrupt {
  const controller = new AbortController();
  const release = () => {
    for (const name of SIGNALS) process.removeListener(name, handle);
  };
  const handle = () => {
    release();
    controller.abort();
    onInterrupt();
  };
  for (const name of SIGNALS) process.on(name, handle);
  return { signal: controller.signal, release };
}
