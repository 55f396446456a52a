import { createHash } from 'node:crypto';
import type { ResolvedConfig } from './config/topology-schema.js';

/** Fields that say where something is: another machine may have the same elsewhere. */
const PLACES = ['pipeline', 'startFrom', 'train', 'heldOut', 'model', 'url'];
/** Sections that say nothing else. */
const PLACE_SECTIONS = ['http'];

/**
 * Names the settings that all processes of a run must share: the seed, the adapter and the topology stages, without what
 * says where files and services are. Engines, transport, evaluation and guards may differ from process to process.
 */
export function sharedConfig({ seed, model, stages }: ResolvedConfig): string {
  const withoutPlaces = (key: string, value: unknown) =>
    (typeof value === 'string' && PLACES.includes(key)) || PLACE_SECTIONS.includes(key) ? undefined : value;
  return createHash('sha256')
    .update(JSON.stringify({ seed, model, stages }, withoutPlaces))
    .digest('hex')
    .slice(0, 16);
}
