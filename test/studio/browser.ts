/** @file A real browser for the studio's tests. */

import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

/** Debian's, or the one that is named. */
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** With STUDIO_TESTS=required, as in .ci/run, the tests fail where there is no browser; else they are skipped. */
const { STUDIO_TESTS } = process.env;
export const HAS_BROWSER = STUDIO_TESTS !== 'skip' && (existsSync(CHROMIUM) || STUDIO_TESTS === 'required');

export const WHY_SKIPPED = `the studio needs Chromium at ${CHROMIUM}: apt-get install chromium, or name one with CHROMIUM=<path>`;

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--js-flags=--expose-gc'] });
}

/** The person of the tests. */
export const PERSON = 'studio-test';

export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the console said against the page. */
  readonly complaints: string[];
}

interface VisitOptions {
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: 'light' | 'dark';
  /** The part of the address behind `#/`. */
  readonly view?: string;
}

/** Opens the page as a person who has been here before. */
export async function visit(browser: Browser, url: string, options: VisitOptions = {}): Promise<Visit> {
  const { width = 1280, height = 900, colorScheme = 'light', view = 'draw' } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme,
    reducedMotion: 'reduce',
  });
  const person = JSON.stringify(JSON.stringify({ id: PERSON }));
  await context.addInitScript({
    content: `if (location.protocol === 'http:') localStorage['tributary-person'] ??= ${person};`,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(`${url}#/${view}`);
  await page.locator('.connection.live').waitFor({ state: 'attached' });
  return { page, context, complaints };
}
