import { EMPTY, map, type Observable } from 'rxjs';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { StageContext } from './stage-context.js';

/**
 * How many groups, counted from the first of the run, belong to rounds that are closed: work on them is of no use.
 * Completes at once where rounds close by count alone, as then nothing of a closed round is under way.
 */
export function closedGroups({ transport, config }: StageContext): Observable<number> {
  if (stageOf(config, 'advantages').closeAfterMs === undefined) return EMPTY;
  return transport.latest('progress').pipe(map(({ finishedGroups }) => finishedGroups));
}
