import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { HAS_BROWSER, launch, PERSON, visit, WHY_SKIPPED } from './browser.js';
import { builtPage } from './built-page.js';
import { type FakeGateway, openFakeGateway } from './fake-gateway.js';

if (!HAS_BROWSER) console.warn(`SKIPPED: ${WHY_SKIPPED}`);

describe.skipIf(!HAS_BROWSER)('the studio in a browser', () => {
  let folder: string;
  let browser: Browser;

  beforeAll(async () => {
    folder = await builtPage();
    browser = await launch();
  });
  afterAll(() => browser?.close());

  /** Opens a view of a gateway of its own, and holds the page to a silent console. */
  async function open(
    view: string,
    prepare: (gateway: FakeGateway) => void = () => {},
    screen: { width?: number; height?: number } = {},
  ): Promise<{ page: Page; gateway: FakeGateway; complaints: string[] }> {
    const gateway = await openFakeGateway(folder);
    prepare(gateway);
    const { page, context, complaints } = await visit(browser, gateway.url, { view, ...screen });
    onTestFinished(async () => {
      await context.close();
      await gateway.close();
      expect(complaints).toEqual([]);
    });
    return { page, gateway, complaints };
  }

  /** The bodies that were posted to a path that ends so. */
  const sent = ({ posted }: FakeGateway, end: string) =>
    posted.filter(({ path }) => path.endsWith(end)).map(({ body }) => body);

  it('should grow a tree from a prompt, and send the choice after the time to undo it', async () => {
    const { page, gateway } = await open('draw', (fake) => {
      fake.drawsAtOnce = false;
    });
    await page.clock.install();
    await page.getByLabel('What should the pictures show?').fill('two purple squares');
    await page.keyboard.press('Enter');
    await page.getByText('Drawing …').waitFor();
    await expect.poll(() => gateway.groups.size).toBe(1);
    gateway.grow(1);
    await page.getByAltText(/^What the model expected before step 2/).waitFor();
    gateway.grow(4);
    await page.locator('img.unripe').nth(3).waitFor();
    await page.getByText('step 4 of 6').waitFor();
    gateway.finish();

    const second = page.getByRole('button', { name: /^Picture 2 of 4/ });
    await second.waitFor();
    await page.keyboard.press('2');
    await page.getByText('Picture 2 chosen').waitFor();
    await page.keyboard.press('u');
    await page.getByText('Which one follows the prompt best?').waitFor();
    await page.getByRole('button', { name: /^Picture 3 of 4/ }).click();
    await page.getByText('Picture 3 chosen').waitFor();
    expect(sent(gateway, '/feedback')).toEqual([]);
    await page.clock.runFor(6000);
    await page.locator('.ask', { hasText: 'It is decided' }).waitFor();
    expect(sent(gateway, '/feedback')).toMatchObject([{ user: PERSON, best: 2 }]);
    expect(sent(gateway, '/generations')).toMatchObject([{ user: PERSON, prompt: 'two purple squares' }]);

    gateway.change('group-0', { state: 'trained', round: 41 });
    await page.locator('.ask', { hasText: 'The model learned from it in round 42.' }).waitFor();
  });

  it('should show how the tree grew to those who like things to move', async () => {
    const { page, gateway } = await open('draw');
    await page.emulateMedia({ reducedMotion: 'no-preference' });
    await page.clock.install();
    await page.clock.pauseAt(Date.now() + 60_000);
    await page.getByRole('button', { name: 'three green triangles' }).click();
    await page.getByAltText(/^What the model expected before step 2/).waitFor();
    expect(await page.locator('.leaf img').count()).toBe(0);
    await page.clock.runFor(300);
    await page.getByText('step 2 of 6').waitFor();
    expect(await page.locator('img.unripe').count()).toBe(4);
    await page.clock.runFor(2000);
    await page.getByText('1 of 6 steps shared').waitFor();
    expect(await page.locator('img.unripe').count()).toBe(0);
    expect(gateway.groups.size).toBe(1);
  });

  it('should rate the groups of others with keys alone', async () => {
    const { page, gateway } = await open('rate', (fake) => {
      for (let group = 0; group < 4; group++) fake.add();
      fake.add({ requestedBy: PERSON });
    });
    const prompts = [...gateway.groups.values()].map(({ prompt }) => prompt);
    const shows = (index: number) =>
      page.getByRole('heading', { name: prompts[index] ?? '', exact: true }).waitFor();
    await shows(0);
    await page.keyboard.press('4');
    await shows(1);
    await page.keyboard.press('s');
    await shows(2);
    await page.keyboard.press('u');
    await shows(1);
    await page.keyboard.press('n');
    await shows(2);
    await page.keyboard.press('1');
    await shows(3);
    await expect.poll(() => sent(gateway, '/feedback')).toMatchObject([{ best: 3 }, { none: true }]);
    await page.locator('.facts', { hasText: 'rated by you2' }).waitFor();
    // What is held goes out when the page is left.
    await page.goto('about:blank');
    await expect.poll(() => sent(gateway, '/feedback').at(-1)).toMatchObject({ best: 0 });
  });

  it('should take ratings where the config asks for them', async () => {
    const { page, gateway } = await open('rate', (fake) => {
      fake.run.info = { ...fake.run.info, feedback: { rule: 'ratings', voters: 1, pictures: 4 } };
      fake.add();
    });
    await page.getByRole('group', { name: 'Rating of picture 1' }).waitFor();
    for (const key of ['5', '1', 'u', '2', '3']) await page.keyboard.press(key);
    await page.getByRole('group', { name: 'Rating of picture 4' }).getByText('4', { exact: true }).click();
    await page.getByText('Rated 5, 2, 3, 4').waitFor();
    await page.goto('about:blank');
    await expect.poll(() => sent(gateway, '/feedback')).toMatchObject([{ ratings: [1, 0.25, 0.5, 0.75] }]);
  });

  it('should follow the run in place, and steer it after a question', async () => {
    const { page, gateway } = await open('watch');
    await page.getByRole('heading', { name: 'Prompts followed' }).waitFor();
    await page.getByText('Trees of round 33').waitFor();
    await page.getByText('The same prompts from the same noise').waitFor();
    await page.getByText('process 8 on here, 410 groups, 20 % idle; process 9 on there').waitFor();
    await page.getByRole('listitem').filter({ hasText: 'reward' }).getByText('nobody').waitFor();
    const chart = page.getByRole('img', { name: /^Reward, rounds/ });
    await expect.poll(() => chart.getAttribute('aria-label')).toContain('rounds 0 to 41');
    await page.evaluate('window.mark = true; scrollTo({ top: 500 });');
    gateway.train();
    await expect.poll(() => chart.getAttribute('aria-label')).toContain('rounds 0 to 42');
    await page.getByText('42 of 66 rounds').first().waitFor();
    expect(await page.evaluate('[window.mark, scrollY]')).toEqual([true, 500]);

    await page.getByRole('button', { name: 'last 50' }).scrollIntoViewIfNeeded();
    const box = (await chart.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
    await page.mouse.move(box.x + 0.4 * box.width, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + 0.7 * box.width, box.y + 60, { steps: 3 });
    await page.mouse.up();
    const all = page.getByRole('button', { name: 'all rounds' });
    await expect.poll(() => all.getAttribute('aria-pressed')).toBe('false');
    await all.click();

    await page.getByRole('button', { name: 'Hold the interval' }).click();
    expect(sent(gateway, '/control')).toEqual([]);
    await page.getByRole('dialog').getByRole('button', { name: 'Hold the interval' }).click();
    await page.getByText('Now: held at position 12.').waitFor();
    expect(sent(gateway, '/control')).toEqual([{ command: 'freeze' }]);
  });

  it('should say what people chose between the policy in use and the next', async () => {
    const { page, gateway } = await open('watch');
    await page.getByRole('heading', { name: 'Prompts followed' }).waitFor();
    expect(await page.getByRole('heading', { name: 'Next policy' }).count()).toBe(0);
    const last = gateway.run.lines.findLast((line) => line.kind === 'round');
    if (last?.kind !== 'round') throw new Error('expected a round');
    const canary = { stable: 9, canary: 14, wins: 12, losses: 4, ties: 3 };
    const entry = {
      ...last,
      round: last.round + 1,
      canary: { ...canary, interval: [0.41, 0.94] as const, verdict: 'hold' as const },
    };
    gateway.run.lines.push(entry);
    gateway.say({ type: 'metrics', line: gateway.run.lines.length - 1, entry });
    const panel = page.getByRole('region', { name: 'Next policy', exact: true });
    await panel.getByText('Chosen 75.0 %, between 41.0 % and 94.0 %. The choices do not tell yet.').waitFor();
    expect(await panel.getByRole('definition').allTextContents()).toEqual(['12', '4', '3']);
  });

  it('should test a preference blindly, and say how sure it is', async () => {
    const { page } = await open('compare');
    await page.getByRole('button', { name: /^Picture 1/ }).waitFor();
    for (const key of ['1', '2', '0', '1', 'u', '2', 's', '1']) await page.keyboard.press(key);
    await page.getByText('5 pairs judged.').waitFor();
    await page.getByRole('button', { name: 'Show the result so far' }).click();
    await page.getByText(/was preferred in .* of 4 pairs, 95 % interval/).waitFor();
    await page.getByText('1 without a difference.').waitFor();
    await page.getByRole('heading', { name: 'Reward in training' }).waitFor();
    expect(await page.getByRole('link', { name: /a page to keep/ }).getAttribute('href')).toBe(
      'v1/compare?run=studio&run=other',
    );
  });

  it('should catch up on what it missed while the connection was lost', async () => {
    const { page, gateway, complaints } = await open('rate', (fake) => fake.add());
    await page.getByText('1 waiting').waitFor({ state: 'attached' });
    // On a busy machine it may be back before anybody looks.
    await page.evaluate(`window.said = new Promise((resolve) => {
      const look = () => document.body.textContent.includes('connection lost, trying again') && resolve();
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    }); undefined`);
    gateway.dropListeners();
    await page.evaluate('window.said');
    gateway.groups.set('group-1', { ...gateway.add(), id: 'group-1' });
    gateway.train();
    await page.locator('.connection.live').waitFor();
    await page.getByText('2 waiting').waitFor({ state: 'attached' });
    await page.getByText('version 42').waitFor();
    complaints.length = 0;
  });

  it('should ask for the token that the server wants', async () => {
    const gateway = await openFakeGateway(folder);
    gateway.token = 'a secret';
    const context = await browser.newContext();
    onTestFinished(async () => {
      await context.close();
      await gateway.close();
    });
    const page = await context.newPage();
    await page.goto(gateway.url);
    const field = page.getByRole('dialog').locator('input');
    await field.fill('a guess');
    await page.keyboard.press('Enter');
    await page.getByText('This server wants a token.').waitFor();
    await field.fill('a secret');
    await page.keyboard.press('Enter');
    await page.locator('.connection.live').waitFor();
  });

  it('should leave out Draw and Rate where nobody can ask for pictures', async () => {
    const { page } = await open('draw', (fake) => {
      fake.run.info = { ...fake.run.info, feedback: null };
    });
    await page.getByRole('heading', { name: 'Prompts followed' }).waitFor();
    expect(await page.getByRole('navigation').getByRole('link').allTextContents()).toEqual([
      'Watch',
      'Compare',
    ]);
  });
});
