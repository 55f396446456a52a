import { createHash } from 'node:crypto';
import { TributaryError } from '../../../errors.js';
import type { Progress } from '../../messages/messages.js';
import { type ResolvedConfig, topologySchema } from '../schema/topology-schema.js';
import { mapFiles } from '../source/named-files.js';

/** Of the trainer alone, which takes it from the run directory. */
const TRAINERS_OWN = ['plannedRounds'];
/** Fields that say where a service is, which may differ from machine to machine as files may. */
const PLACES = ['url', 'http'];

/**
 * Names the settings that all processes of a run must share: the seed, the adapter and the stages, but not
 * where files and services are. Engines, transport, evaluation and guards may differ from process to process.
 */
export function sharedConfig(config: ResolvedConfig): string {
  const { seed, model, stages } = mapFiles(topologySchema, config, () => 'a file');
  const left = [...PLACES, ...TRAINERS_OWN];
  const shared = (key: string, value: unknown) => (left.includes(key) ? undefined : value);
  return createHash('sha256')
    .update(JSON.stringify({ seed, model, stages }, shared))
    .digest('hex')
    .slice(0, 16);
}

/** Errors: TRIB_CONFIG where the trainer of the run has other settings. */
export function requireSameConfig(config: ResolvedConfig, { sharedConfig: trainers }: Progress): void {
  if (trainers === sharedConfig(config)) return;
  throw new TributaryError(
    'TRIB_CONFIG',
    `config ${config.name}: expected the seed, model and stages of the trainer (${trainers}), got others (${sharedConfig(config)}). Start all processes of a run from one config, with the same --set.`,
  );
}
