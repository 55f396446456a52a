import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { MetricsLine } from '../../src/client/types.js';
import { RUNS_ALL } from '../fixtures/test-all.js';
import { HAS_BROWSER, launch, PERSON, visit } from './browser.js';
import { builtPage } from './built-page.js';
import { type FakeGateway, openFakeGateway } from './fake-gateway.js';

/**
 * What docs/people.md states of the page, measured and printed: STUDIO_SOAK=1 or TEST_ALL=1. Events come in real time, so this
 * takes four minutes.
 */
describe.skipIf(!HAS_BROWSER || !(RUNS_ALL || process.env.STUDIO_SOAK === '1'))(
  'the page over hours',
  () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await launch();
    });
    afterAll(() => browser?.close());

    async function open(view: string): Promise<{ page: Page; gateway: FakeGateway; devTools: CDPSession }> {
      const gateway = await openFakeGateway(await builtPage(), { round: 0 });
      const { page, context } = await visit(browser, gateway.url, { view });
      onTestFinished(async () => {
        await context.close();
        await gateway.close();
      });
      return { page, gateway, devTools: await context.newCDPSession(page) };
    }

    /** Says a line of the log for a round that the script does not have, and what else happens in it. */
    function happen(gateway: FakeGateway, count: number): void {
      const last = gateway.run.lines.findLast((line) => line.kind === 'round');
      const entry = {
        ...last,
        round: count,
        policyVersion: count + 1,
        rewardMean: Math.sin(count / 40),
      } as MetricsLine;
      gateway.run.lines.push(entry);
      gateway.say({ type: 'metrics', line: gateway.run.lines.length - 1, entry });
      if (count % 3 === 0) gateway.say({ type: 'group', group: { ...group(gateway), id: `other-${count}` } });
      const { info } = gateway.run;
      if (info.progress) gateway.say({ type: 'progress', ...info.progress, groupsSampled: count % 8 });
    }

    const group = (gateway: FakeGateway) =>
      gateway.groups.get('group-0') ?? gateway.add({ requestedBy: PERSON });

    it('should paint within a second', async () => {
      const { page } = await open('draw');
      await page.reload();
      await page.locator('.connection.live').waitFor({ state: 'attached' });
      const paint = await page.evaluate<number>(
        "performance.getEntriesByType('paint').find(({ name }) => name === 'first-contentful-paint').startTime",
      );
      console.log(`first contentful paint: ${Math.round(paint)} ms`);
      expect(paint).toBeLessThan(1000);
    });

    it('should have no task above 50 ms in 1,000 rounds at 10 events a second', async () => {
      const { page, gateway } = await open('watch');
      await page.getByRole('heading', { name: 'How training goes' }).waitFor();
      await browser.startTracing(page, { categories: ['toplevel'] });
      for (let round = 1; round <= 1000; round++) {
        happen(gateway, round);
        await sleep(100);
      }
      await expect.poll(() => page.locator('.summary b').textContent()).toBe('1,001');
      const times = taskTimes(await browser.stopTracing());
      console.log(
        `longest tasks of the main thread: ${times
          .slice(0, 5)
          .map((time) => time.toFixed(1))
          .join(', ')} ms`,
      );
      expect(times[0]).toBeLessThan(50);
    });

    it('should keep its heap flat', async () => {
      const { page, gateway, devTools } = await open('watch');
      const heap = async () => {
        await devTools.send('HeapProfiler.collectGarbage');
        return (await devTools.send('Runtime.getHeapUsage')).usedSize / 2 ** 20;
      };
      const sizes: number[] = [];
      // As many events as in 10 and in 60 minutes at 10 a second.
      for (const until of [6000, 36_000]) {
        while (gateway.run.lines.length < until) {
          happen(gateway, gateway.run.lines.length);
          if (gateway.run.lines.length % 20 === 0) await sleep(50);
        }
        await expect
          .poll(() => page.locator('.summary b').textContent(), { timeout: 60_000 })
          .toBe(until.toLocaleString('en-US'));
        sizes.push(await heap());
      }
      console.log(`heap: ${sizes.map((size) => size.toFixed(1)).join(' MiB, ')} MiB`);
      expect((sizes[1] ?? 0) - (sizes[0] ?? 0)).toBeLessThan(5);
    });
  },
  600_000,
);

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds of the thread, however busy the machine is. */
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

/** Milliseconds that the tasks of pages' main threads took, the longest first. */
function taskTimes(trace: Buffer): number[] {
  const { traceEvents }: { traceEvents: TraceEvent[] } = JSON.parse(String(trace));
  const threadOf = ({ pid, tid }: TraceEvent) => `${pid}-${tid}`;
  const isMain = ({ name, args }: TraceEvent) => name === 'thread_name' && args.name === 'CrRendererMain';
  const main = new Set(traceEvents.filter(isMain).map(threadOf));
  return traceEvents
    .filter((event) => event.name.endsWith('RunTask') && main.has(threadOf(event)))
    .map(({ tdur = 0 }) => tdur / 1000)
    .sort((a, b) => b - a);
}
