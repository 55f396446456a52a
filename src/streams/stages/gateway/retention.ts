import type { StageConfig } from '../../config/schema/topology-schema.js';
import { type GroupRecord, stateOf } from './group-record.js';

const DAY_MS = 86_400_000;

interface OutlivedOptions {
  readonly retention: StageConfig<'gateway'>['retention'];
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly finishedRounds: number;
}

/** Of groups in the order of their age, those that are done with and older, or more, than the settings keep. */
export function outlived(
  records: readonly GroupRecord[],
  { retention: { groupsDays, groups }, now, finishedRounds }: OutlivedOptions,
): GroupRecord[] {
  const surplus = records.length - groups;
  return records.filter((record, index) => {
    const state = stateOf(record, finishedRounds);
    const isOld = index < surplus || Date.parse(record.createdAt) < now - groupsDays * DAY_MS;
    return isOld && state !== 'waiting' && state !== 'decided';
  });
}
