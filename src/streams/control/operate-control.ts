/** @file How an operator reaches a run in another process: reads its control state, and changes it. */

import { TributaryError } from '../../errors.js';
import { numPositions } from '../../operators/index.js';
import { requireSameConfig } from '../config/resolved/shared-config.js';
import { stageOf } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { type Control, UNCONTROLLED } from '../messages/control-state.js';
import { RUN_KEY, type TopicMessages } from '../messages/messages.js';
import type { Transport } from '../transport/contract/transport.js';
import { openTransport } from '../transport/open-transport.js';
import type { ControlChange, RunPlace } from './control-changes.js';

/** What is wanted of a run, and how far it is. */
interface WantedOfRun {
  readonly wanted: Control;
  readonly place: RunPlace;
}

interface ChangedControl {
  readonly before: Control;
  readonly after: Control;
  readonly place: RunPlace;
}

type Warn = (message: string) => void;

/** Errors: TRIB_USAGE if the transport leads to no other process, or no run has begun. */
export async function readControl(config: ResolvedConfig, warn: Warn): Promise<WantedOfRun> {
  return onTransport(config, { takesControl: false }, warn, (transport) => wantedOf(config, transport));
}

/**
 * Changes what is wanted of a run. Of two operators at once, the first is refused if it has not written yet: the second has
 * taken the topic over, and reads all that was written before. So no change is lost.
 *
 * Errors: TRIB_USAGE, and nothing is written, as in `readControl`, or if the run is over, the change is refused, or another
 * operator came between.
 */
export async function changeControl(
  config: ResolvedConfig,
  change: ControlChange,
  warn: Warn,
): Promise<ChangedControl> {
  return onTransport(config, { takesControl: true }, warn, (transport) =>
    changeOn(config, transport, change),
  );
}

/** How the process of a run lets somebody change it. */
export interface RunOperator {
  wanted(): Promise<Control>;
  /** Errors: as `changeControl`. */
  change(change: ControlChange): Promise<Control>;
}

/** Operates a run from one of its own processes: over its own transport, or as others do where that leads to others. */
export function operateWithin(
  config: ResolvedConfig,
  transport: Transport<TopicMessages>,
  warn: Warn,
): RunOperator {
  const isShared = config.transport.kind === 'kafka';
  return {
    wanted: async () => (await transport.newest('control')) ?? UNCONTROLLED,
    async change(change) {
      const changed = isShared
        ? await changeControl(config, change, warn)
        : await changeOn(config, transport, change);
      return changed.after;
    },
  };
}

async function changeOn(
  config: ResolvedConfig,
  transport: Transport<TopicMessages>,
  change: ControlChange,
): Promise<ChangedControl> {
  const { wanted: before, place, isOver } = await wantedOf(config, transport);
  if (isOver)
    throw new TributaryError(
      'TRIB_USAGE',
      `control ${config.name}: expected a run in progress, got one that has ended. Nothing was changed.`,
    );
  const changed = change(before, place);
  const after = { ...changed, version: before.version + 1 };
  await transport.publish('control', { key: RUN_KEY, message: after }).catch(sayWhoCameBetween);
  return { before, after, place };
}

async function wantedOf(
  config: ResolvedConfig,
  transport: Transport<TopicMessages>,
): Promise<WantedOfRun & { readonly isOver: boolean }> {
  const progress = await transport.newest('progress');
  if (!progress)
    throw new TributaryError(
      'TRIB_USAGE',
      `control ${config.name}: expected a run in progress, got none on its topics. Start it (tributary run), or correct transport.kafka.prefix.`,
    );
  requireSameConfig(config, progress);
  const { round, schedulePosition: position = round, isOver } = progress;
  const { numRounds } = stageOf(config, 'prompts');
  const count = numPositions({ spec: stageOf(config, 'schedule'), numRounds });
  const place = { round, numRounds, position, numPositions: count };
  return { wanted: (await transport.newest('control')) ?? UNCONTROLLED, place, isOver };
}

async function onTransport<Result>(
  config: ResolvedConfig,
  { takesControl }: { readonly takesControl: boolean },
  warn: Warn,
  work: (transport: Transport<TopicMessages>) => Promise<Result>,
): Promise<Result> {
  const { kind } = config.transport;
  if (kind !== 'kafka')
    throw new TributaryError(
      'TRIB_USAGE',
      `control transport.kind: expected one that connects processes (kafka), got ${kind}. Run with transport.kind=kafka; docs/operations.md lists what a resume may change of a run in one process.`,
    );
  const { transport } = await openTransport({ config, trainer: null, takesControl, warn });
  try {
    return await work(transport);
  } finally {
    await transport.close();
  }
}

/** Only the newest writer of a topic may write; the others get TRIB_USAGE. */
function sayWhoCameBetween(cause: unknown): never {
  if (!(cause instanceof TributaryError) || cause.code !== 'TRIB_USAGE') throw cause;
  throw new TributaryError(
    'TRIB_USAGE',
    'control: expected to be the only operator, got a change by another one. Nothing was changed; check the state (show) and try again.',
    { cause },
  );
}
