import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { HAS_BROWSER, launch, PERSON, visit } from './browser.js';
import { builtPage } from './built-page.js';
import { type FakeGateway, openFakeGateway } from './fake-gateway.js';

const VIEWS = ['draw', 'rate', 'watch', 'compare'] as const;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Writes docs/images/studio-*.png. */
const WRITES_IMAGES = process.env.STUDIO_IMAGES === '1';

describe('the built page', () => {
  it('should be small', async () => {
    const folder = await builtPage();
    const files = await Promise.all(['app.js', 'app.css'].map((name) => readFile(join(folder, name))));
    const bytes = files.reduce((sum, file) => sum + gzipSync(file).length, 0);
    expect(bytes).toBeLessThan(70_000);
  });

  it('should ask nobody else for anything', async () => {
    const folder = await builtPage();
    for (const name of ['index.html', 'app.css', 'app.js'])
      expect(await readFile(join(folder, name), 'utf8')).not.toMatch(
        /(?:src|href)="https?:|url\(["']?https?:|import\("http/,
      );
  });
});

describe.skipIf(!HAS_BROWSER)('the looks of the studio', () => {
  let browser: Browser;
  let gateway: FakeGateway;

  beforeAll(async () => {
    gateway = await openFakeGateway(await builtPage());
    for (let group = 0; group < 13; group++) gateway.add(GROUPS[group] ?? {});
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await gateway?.close();
  });

  it.each(SCREENS)(
    'should have no fault that axe finds, and fit, $colorScheme at $width px',
    async (screen) => {
      const { page, context, complaints } = await visit(browser, gateway.url, screen);
      onTestFinished(() => context.close());
      await page.evaluate(AXE);
      for (const view of VIEWS) {
        await page.getByRole('navigation').getByRole('link', { name: TITLES[view] }).click();
        await page.getByText(READY[view]).first().waitFor();
        if (view === 'watch') await page.locator('.run-tree svg').first().waitFor();
        expect(await page.evaluate(FAULTS)).toEqual([]);
        expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
          screen.width,
        );
        if (WRITES_IMAGES)
          await sharp(await page.screenshot())
            // The pictures are part of the package: 256 colors are a third of the bytes, and look the same.
            .png({ palette: true, effort: 10, dither: 0 })
            .toFile(`docs/images/studio-${view}${screen.suffix}.png`);
      }
      expect(complaints).toEqual([]);
    },
  );
});

const SCREENS = [
  { colorScheme: 'light', width: 1280, height: 900, suffix: '' },
  { colorScheme: 'dark', width: 360, height: 740, suffix: '-phone' },
] as const;

const TITLES = { draw: 'Draw', rate: 'Rate', watch: 'Watch', compare: 'Compare' } as const;

/** What axe finds, as text. */
const FAULTS = `axe.run().then(({ violations }) =>
  violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => [location.hash, id, html, failureSummary].join(' '))))`;

/** What stands in a view once it is there. */
const READY = {
  draw: 'Which one follows the prompt best?',
  rate: 'Which one follows the prompt best?',
  watch: 'The same prompts from the same noise',
  compare: 'No difference',
} as const;

const own = { requestedBy: PERSON };
const GROUPS = [
  own,
  {},
  { ...own, state: 'trained', round: 38, rewards: [0, 0, 1, 0], agreement: 1 },
  {},
  { ...own, state: 'decided', rewards: [1, 0, 0, 0], agreement: 0.75 },
  {},
  own,
  ...new Array<object>(5).fill({}),
  own,
] as const;
