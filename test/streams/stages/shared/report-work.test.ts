import { expect, it } from 'vitest';
import type { Observation } from '../../../../src/streams/messages/observations.js';
import type { RunEvent } from '../../../../src/streams/messages/run-events.js';
import { reportWork } from '../../../../src/streams/stages/shared/report-work.js';

/** A report under a clock that is moved by hand. */
function start() {
  let time = 0;
  const said: RunEvent[] = [];
  const observed: Observation[] = [];
  const report = reportWork(
    'sampler',
    { say: (event) => said.push(event), observe: (observation) => observed.push(observation) },
    () => time,
  );
  const pass = (milliseconds: number) => {
    time += milliseconds;
  };
  const work = (milliseconds: number) => report.during(async () => pass(milliseconds));
  return { report, said, observed, pass, work };
}

it('should say of a round, when the next one is under way, what part of its time was idle', async () => {
  const { report, said, pass, work } = start();
  pass(10);
  await work(20);
  report.done(0);
  pass(5);
  await work(5);
  report.done(0);
  expect(said).toEqual([]);
  pass(30);
  await work(10);
  report.done(1);
  expect(said).toEqual([{ kind: 'worked', role: 'sampler', round: 0, groups: 2, idleShare: 15 / 40 }]);
  await work(1);
  report.done(3);
  expect(said[1]).toMatchObject({ round: 1, groups: 1, idleShare: 30 / 40 });
});

it('should count work that overlaps once, and work that failed too', async () => {
  const { report, said, observed, pass, work } = start();
  await Promise.all([work(10), work(10)]);
  await report.during(() => Promise.reject(new Error('lost'))).catch(() => undefined);
  pass(20);
  report.done(0);
  report.done(1);
  expect(said[0]).toMatchObject({ idleShare: 0.5 });
  expect(observed).toEqual([0.02, 0].map((seconds) => ({ kind: 'busy', part: 'sampler', seconds })));
});

it('should take a group of an earlier stage, which came again, for one of the current stage', async () => {
  const { report, said, work } = start();
  await work(1);
  report.done(4);
  report.done(3);
  report.done(5);
  expect(said).toMatchObject([{ round: 4, groups: 2 }]);
});
