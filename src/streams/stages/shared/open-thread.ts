/** @file What the threads of the stages have in common: how one is opened, and what it says of itself. */

import { TributaryError } from '../../../errors.js';
import type { Provider } from '../../../models/engines/contract/engine.js';
import type { EngineSettings } from '../../../models/engines/open-engine.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { RunEvent } from '../../messages/run-events.js';

export type Say = (event: RunEvent) => void;

/** A thread that is ready; closing lets it finish what it does. */
export interface OpenThread<Service> {
  readonly call: Service;
  close(): Promise<void>;
}

/** Opens a thread's service, or ends the thread when that fails. */
export async function opening<Opened>(
  thread: { close(): Promise<void> },
  open: Promise<Opened>,
): Promise<Opened> {
  try {
    return await open;
  } catch (error) {
    await thread.close();
    throw error;
  }
}

export const sayProvider = (
  say: Say,
  stage: string,
  { provider, fallbacks }: { readonly provider: Provider; readonly fallbacks: readonly string[] },
) => say({ kind: 'provider', stage, provider, fallbacks });

export const engineOf = ({ engine }: ResolvedConfig, stage: 'sampler' | 'trainer'): EngineSettings => ({
  engine: engine[stage],
  providers: engine.providers,
  threads: engine.threads,
  tfjs: engine.tfjs,
});

export const sayWarnings = (say: Say, warnings: readonly string[]) => {
  for (const message of warnings) say({ kind: 'warning', message });
};

/** What a thread opens before it serves. */
export interface OpenedOnce<Settings, Opened> {
  open(settings: Settings): Promise<Opened>;
  /** @throws TRIB_INTERNAL before it is opened. */
  value(): Opened;
  current(): Opened | undefined;
}

/** Holds what a thread works with from its `open` call on. */
export function openedOnce<Settings, Opened>(
  name: string,
  make: (settings: Settings) => Promise<Opened>,
): OpenedOnce<Settings, Opened> {
  let opened: Opened | undefined;
  return {
    async open(settings) {
      opened = await make(settings);
      return opened;
    },
    value() {
      if (opened) return opened;
      throw new TributaryError(
        'TRIB_INTERNAL',
        `${name} thread: expected to be opened first, got a call before it. Call open.`,
      );
    },
    current: () => opened,
  };
}
