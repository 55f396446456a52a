/** @file How a server reaches the run that it shows, where an operator may change it. */

import { TributaryError } from '../../errors.js';
import type { ResolvedConfig } from '../../streams/config/schema/topology-schema.js';
import type { ControlChange } from '../../streams/control/control-changes.js';
import { changeControl } from '../../streams/control/operate-control.js';
import { type Control, UNCONTROLLED } from '../../streams/messages/control-state.js';
import type { RunFolder } from './run-folder.js';

export interface ControlAccess {
  /** Why a run takes no commands here; null if it does. */
  reason(run: RunFolder, config: ResolvedConfig | null): string | null;
  /** What operators want, as far as this server knows. */
  wanted(run: RunFolder): Promise<Control>;
  /** Errors: TRIB_USAGE, and nothing is changed. */
  change(run: RunFolder, config: ResolvedConfig, change: ControlChange): Promise<Control>;
}

/** Reaches runs over the brokers of their configs. */
export function overTheirBrokers(warn: (message: string) => void): ControlAccess {
  const changed = new Map<string, Control>();
  return {
    reason: (_, config) =>
      config?.transport.kind === 'kafka'
        ? null
        : 'A run in one process takes commands from its own gateway alone.',
    // Asking the brokers would take a connection for each look.
    wanted: async ({ path }) => changed.get(path) ?? UNCONTROLLED,
    async change({ path }, config, change) {
      const { after } = await changeControl(config, change, warn);
      changed.set(path, after);
      return after;
    },
  };
}

/** Takes no commands, and says why. */
export function watchesOnly(reason: string): ControlAccess {
  return {
    reason: () => reason,
    wanted: async () => UNCONTROLLED,
    change: async () => {
      throw new TributaryError(
        'TRIB_USAGE',
        `control: expected a server that takes commands, got none. ${reason}`,
      );
    },
  };
}
