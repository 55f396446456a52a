import { TestScheduler } from 'rxjs/testing';
import { expect, it } from 'vitest';
import type { Answer } from '../../../../src/operators/index.js';
import { heldBack } from '../../../../src/streams/stages/operator/held-back.js';

const KINDS = { d: 'dropped', f: 'failed', p: 'passed' } as const;
const COUNTS = { 1: 1, 2: 2, 3: 3, 4: 4 };

it.each([
  ['say once how many did not pass', 'd-d-f', '10s 3'],
  ['keep silent where one passes in time', 'd-d 9s p 5s p', '-'],
  ['wait as long again after one that passes', 'd 9s pd', '19002ms 1'],
  ['count anew after one that passes', 'd 11s p-d', '10s 1 11002ms 1'],
  ['say it again once there are twice as many', 'd 11s d 11s d 11s d', '10s 1 11000ms 2 22001ms 4'],
  ['end with its source, whatever it has counted', 'd-d-|', '----|'],
  ['err with its source', 'd-#', '--#'],
])('should %s', (_, answers, result) => {
  new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(
    ({ hot, expectObservable, expectSubscriptions }) => {
      const answers$ = hot<Answer<unknown>['kind']>(answers, KINDS);
      expectObservable(answers$.pipe(heldBack())).toBe(result, COUNTS);
      if (answers.endsWith('|')) expectSubscriptions(answers$.subscriptions).toBe('^---!');
    },
  );
});
