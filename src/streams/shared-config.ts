import { createHash } from 'node:crypto';
import type { ResolvedConfig } from './config/topology-schema.js';

/** Fields that name files: another machine may have the same file elsewhere. */
const PATHS = ['pipeline', 'startFrom', 'train', 'heldOut', 'model'];

/**
 * Names the settings that all processes of a run must share: the seed, the adapter and the topology stages, without the
 * paths in them. Engines, transport, evaluation and guards may differ from process to process.
 */
export function sharedConfig({ seed, model, stages }: ResolvedConfig): string {
  const withoutPaths = (key: string, value: unknown) =>
    typeof value === 'string' && PATHS.includes(key) ? undefined : value;
  return createHash('sha256')
    .update(JSON.stringify({ seed, model, stages }, withoutPaths))
    .digest('hex')
    .slice(0, 16);
}
