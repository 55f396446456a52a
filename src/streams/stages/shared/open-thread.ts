/** @file The threads of the stages: how their owner opens one, and what the thread itself keeps. */

import { TributaryError } from '../../../errors.js';
import type { EngineOptions, Provider } from '../../../models/engines/contract/engine.js';
import type { EngineSettings } from '../../../models/engines/open-engine.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { Say } from '../../messages/run-events.js';

/** Opens the service of a thread, or ends the thread if that fails. */
export async function openOrClose<Opened>(
  thread: { close(): Promise<void> },
  open: () => Promise<Opened>,
): Promise<Opened> {
  try {
    return await open();
  } catch (error) {
    await thread.close();
    throw error;
  }
}

/** Says what the graphs of a stage run on, and passes on its warnings. */
export function sayOpened(
  say: Say,
  stage: string,
  { provider, fallbacks }: { readonly provider: Provider; readonly fallbacks: readonly string[] },
  warnings: readonly string[] = [],
): void {
  say({ kind: 'provider', stage, provider, fallbacks });
  for (const message of warnings) say({ kind: 'warning', message });
}

/** Settings of the onnxruntime engine, which the rewards always use. */
export const onnxRuntimeOf = ({ engine }: ResolvedConfig): EngineOptions => ({
  providers: engine.providers,
  threads: engine.threads,
  sessionThreads: engine.sessionThreads,
});

export const engineOf = (config: ResolvedConfig, stage: 'sampler' | 'trainer'): EngineSettings => ({
  ...onnxRuntimeOf(config),
  engine: config.engine[stage],
  tfjs: config.engine.tfjs,
});

/** What a thread works with once it is open. */
interface OpenedOnce<Settings, Opened> {
  open(settings: Settings): Promise<Opened>;
  /** Errors: TRIB_INTERNAL before it is opened. */
  value(): Opened;
  current(): Opened | undefined;
}

/** Keeps what a thread makes in its `open` call for the calls that follow. */
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
        `${name} thread: expected to be opened first, got another call. Call open first.`,
      );
    },
    current: () => opened,
  };
}
