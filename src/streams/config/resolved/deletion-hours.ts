import type { ResolvedConfig } from '../schema/topology-schema.js';
import { findStage } from './stage-of.js';

const HOUR_MS = 3_600_000;

/**
 * Hours for which gateways know who was deleted: as long as anything from before can come up, in a topic, or on the disk of a
 * gateway that was away.
 */
export function deletionHours(config: Pick<ResolvedConfig, 'stages' | 'transport'>): number {
  const { retentionHours } = config.transport.kafka;
  const gateway = findStage(config, 'gateway');
  if (!gateway) return retentionHours;
  const onDisk = 24 * gateway.retention.groupsDays + Math.ceil(gateway.feedbackWithinMs / HOUR_MS);
  return Math.max(retentionHours, onDisk);
}
