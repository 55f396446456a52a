import { TestScheduler } from 'rxjs/testing';
import { describe, expect, it } from 'vitest';
import { gatherAnswers } from '../../../../src/streams/stages/gateway/gather-answers.js';

const answers = { a: { gateway: 'a' }, b: { gateway: 'b' } };

describe('gatherAnswers', () => {
  it.each<[string, number, string, string, string[]]>([
    ['when all have answered, each once', 2, '-a-a-b---', '-----(x|)', ['a', 'b']],
    ['when the time is over', 3, '-a-b-----', '------(x|)', ['a', 'b']],
    ['when the gateway closes', 2, '-a-|', '---(x|)', ['a']],
    ['at once where there are no others', 0, '-a-------', '(x|)', []],
    ['at once where not even this gateway is known to read', -1, '-a-------', '(x|)', []],
  ])('should emit %s', (_, others, source, result, found) => {
    const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
    scheduler.run(({ hot, expectObservable }) => {
      const gathered$ = hot(source, answers).pipe(gatherAnswers({ others, withinMs: 6, scheduler }));
      expectObservable(gathered$).toBe(result, { x: found.map((gateway) => ({ gateway })) });
    });
  });
});
