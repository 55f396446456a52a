import { distinctUntilChanged, finalize, map, type Observable, skip, tap } from 'rxjs';
import type { Answer } from '../../../operators/index.js';
import type { StageContext } from '../shared/stage-context.js';

interface AnswerCount {
  count(kind: Answer<unknown>['kind']): void;
  /** Says what was counted whenever a round begins, and when it is left; emits rounds. */
  readonly reports$: Observable<number>;
}

/** Counts what an operator stage does with its messages. */
export function countAnswers({ transport, say }: StageContext, stage: string): AnswerCount {
  const counts = { passed: 0, dropped: 0, failed: 0 };
  const report = () => {
    if (counts.passed + counts.dropped + counts.failed > 0) say({ kind: 'operated', stage, ...counts });
    Object.assign(counts, { passed: 0, dropped: 0, failed: 0 });
  };
  return {
    count(kind) {
      counts[kind] += 1;
    },
    reports$: transport.latest('progress').pipe(
      map(({ round }) => round),
      distinctUntilChanged(),
      skip(1),
      tap(report),
      finalize(report),
    ),
  };
}
