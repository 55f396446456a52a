/**
 * @file The scripted person in a real browser: on the studio's page in Chromium they write the training prompts in turn,
 * look at the four pictures as the page shows them, and press the key of the best, by the exact verifier alone and wrong
 * one time in ten. Then the policies after so many choices are measured on prompts that nobody voted on, as measure.mjs
 * does. What is in the folder already is not made again.
 *
 *     node tools/people/in-browser.mjs --seeds 91,92,93
 *
 * (after `npm run build`; Debian's chromium is installed by apt-get where it is missing). `--pause` is how many
 * milliseconds the person looks before each choice; they wait longer while the model has more than eight choices still to
 * learn from. The page's own times are printed with the figures: from Enter to four pictures, and from a key to the next
 * paint, while the model trains.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { verify } from '../../dist/models/shapes/pictures/verifier.js';
import { parsePrompt } from '../../dist/models/shapes/prompts/parse-prompt.js';
import { promptLists } from '../../dist/models/shapes/prompts/prompt-lists.js';
import { evaluated } from './evaluated.mjs';
import { compared, overSeeds } from './figures.mjs';
import { chooseBest, diceOf } from './person.mjs';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '91,92,93' },
    noise: { type: 'string', default: '4321' },
    images: { type: 'string', default: '8' },
    choices: { type: 'string', default: '600' },
    at: { type: 'string', default: '300,600' },
    pause: { type: 'string', default: '1500' },
    wrong: { type: 'string', default: '0.1' },
    folder: { type: 'string', default: 'runs/people-in-browser' },
  },
});
const CHOICES_PER_ROUND = 4;
const LONGEST_WAIT_MS = 120_000;
/** Choices that the model may be behind. */
const MOST_AHEAD = 8;
const measuredAt = options.at.split(',').map(Number);
const numChoices = Number(options.choices);

function chromiumPath() {
  const path = process.env.CHROMIUM ?? '/usr/bin/chromium';
  if (!existsSync(path)) spawnSync('apt-get', ['install', '-y', 'chromium'], { stdio: ['ignore', 2, 2] });
  if (existsSync(path)) return path;
  console.error(`no Chromium at ${path}: install it, or name one with CHROMIUM=<path>.`);
  process.exit(1);
}

/** Starts the studio on a run of so many rounds; resolves once people are served. */
async function openStudio(directory, seed, port) {
  const sets = [
    `seed=${seed}`,
    `stages.prompts.numRounds=${numChoices / CHOICES_PER_ROUND}`,
    `checkpoints.everyRounds=${measuredAt.map((at) => at / CHOICES_PER_ROUND).reduce(greatestCommonDivisor)}`,
    `checkpoints.keep=${numChoices}`,
  ];
  const studio = spawn(
    process.execPath,
    ['dist/cli/main.js', 'studio', '--port', `${port}`, '--run-dir', directory].concat(
      sets.flatMap((set) => ['--set', set]),
    ),
    { stdio: ['ignore', 2, 2] },
  );
  const over = new Promise((resolve) => studio.on('exit', resolve));
  const url = `http://127.0.0.1:${port}/`;
  while (!(await isServed(url))) {
    if (studio.exitCode !== null) process.exit(1);
    await setTimeout(200);
  }
  return { url, over };
}

const greatestCommonDivisor = (a, b) => (b === 0 ? a : greatestCommonDivisor(b, a % b));
const isServed = (url) =>
  fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** The pictures of the group that is shown, once all of them are; bytes as the browser decoded them. */
const seenPictures = (prompt) => {
  const shown = document.querySelector('section.drawn');
  if (shown?.getAttribute('aria-busy') !== 'false' || shown.querySelector('h2')?.textContent !== prompt)
    return null;
  const pictures = [...shown.querySelectorAll('button.leaf-frame img:not(.unripe)')];
  if (pictures.length === 0 || pictures.some(({ complete, naturalWidth }) => !complete || naturalWidth === 0))
    return null;
  return pictures.map((picture) => {
    const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
    const context = canvas.getContext('2d');
    context.drawImage(picture, 0, 0);
    return [...context.getImageData(0, 0, canvas.width, canvas.height).data];
  });
};

/** RGBA bytes, pixel by pixel, as the verifier reads a picture: channel by channel in [-1, 1]. */
const imageOf = (rgba) =>
  Float32Array.from({ length: (rgba.length / 4) * 3 }, (_, index) => {
    const pixels = rgba.length / 4;
    return rgba[(index % pixels) * 4 + Math.floor(index / pixels)] / 127.5 - 1;
  });

/** Waits until the model is near enough to so many choices; no longer than a choice takes that was dropped. */
async function untilLearned(url, choices, isOver) {
  const end = performance.now() + LONGEST_WAIT_MS;
  while (!isOver() && performance.now() < end) {
    const { round } = await fetch(`${url}v1/run`).then(
      (answer) => answer.json(),
      () => ({ round: 0 }),
    );
    if (round * CHOICES_PER_ROUND >= choices) return;
    await setTimeout(100);
  }
}

/** Draws and chooses on the page until the model has learned from all choices. */
async function teach(page, url, seed, isOver) {
  const { train } = promptLists();
  const drawnIn = [];
  let given = 0;
  while (true) {
    await untilLearned(url, given < numChoices ? given - MOST_AHEAD : numChoices, isOver);
    if (isOver()) break;
    const prompt = train[given % train.length];
    await page.keyboard.press('/');
    await page.locator('#prompt').fill(prompt);
    await page.evaluate(() => {
      globalThis.askedAt = performance.now();
    });
    await page.keyboard.press('Enter');
    const seen = await page
      .waitForFunction(seenPictures, prompt, { timeout: LONGEST_WAIT_MS, polling: 'raf' })
      .catch((error) => {
        if (isOver()) return null;
        throw error;
      });
    if (seen === null) break;
    drawnIn.push(await page.evaluate(() => performance.now() - globalThis.askedAt));
    const pictures = (await seen.jsonValue()).map(imageOf);
    await setTimeout(Number(options.pause));
    const scores = pictures.map((image) => verify(image, parsePrompt(prompt)).score);
    const dice = diceOf(seed, prompt, [{ data: createHash('sha256').update(`${given}`).digest() }]);
    await page.keyboard.press(`${chooseBest(scores, Number(options.wrong), dice) + 1}`);
    await page.locator('section.drawn .leaf-frame.chosen').waitFor();
    given += 1;
  }
  return { given, drawnIn };
}

/** Chooses on the page for a whole run, and writes what the page took down. */
async function taught(browser, seed) {
  const directory = join(options.folder, `seed-${seed}`);
  const pageFile = join(options.folder, `seed-${seed}.page.json`);
  if (existsSync(pageFile)) return { directory, page: JSON.parse(readFileSync(pageFile, 'utf8')) };
  const { url, over } = await openStudio(directory, seed, await freePort());
  const context = await browser.newContext({ reducedMotion: 'reduce' });
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.addInitScript(() => {
    globalThis.keys = [];
    new PerformanceObserver((list) => {
      for (const { name, duration } of list.getEntries())
        if (name === 'keydown') globalThis.keys.push(duration);
    }).observe({ type: 'event', durationThreshold: 16 });
  });
  await page.goto(url);
  await page.locator('.connection.live').waitFor({ state: 'attached' });
  let hasEnded = false;
  void over.then(() => {
    hasEnded = true;
  });
  const { given, drawnIn } = await teach(page, url, seed, () => hasEnded);
  const slowKeys = await page.evaluate(() => globalThis.keys);
  await context.close();
  const figures = {
    given,
    fromEnterToPictures: quantiles(drawnIn),
    keysAbove16ms: slowKeys.length,
    slowestKeyMs: Math.max(0, ...slowKeys),
    // One key for the field, Enter, and one for the choice; keys that are not among the slow ones took less than 16 ms.
    keyToPaint95: quantiles([...slowKeys, ...Array(Math.max(0, 3 * given - slowKeys.length)).fill(16)]).p95,
    complaints,
  };
  writeFileSync(pageFile, JSON.stringify(figures));
  return { directory, page: figures };
}

function quantiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
  return { median: at(0.5), p95: at(0.95), p99: at(0.99), most: at(1) };
}

mkdirSync(options.folder, { recursive: true });
const base = evaluated(options, 'base');
const browser = await chromium.launch({ executablePath: chromiumPath(), args: ['--no-sandbox'] });
const bySeed = [];
for (const seed of options.seeds.split(',')) {
  const { directory, page } = await taught(browser, Number(seed));
  console.log(JSON.stringify({ seed, ...page }));
  bySeed.push(
    measuredAt.map((choices) => {
      const round = choices / CHOICES_PER_ROUND;
      const lora = join(directory, 'checkpoints', `${round}`, 'pytorch_lora_weights.safetensors');
      const { perPrompt, ...found } = compared(evaluated(options, `seed-${seed}.${choices}`, lora), base);
      console.log(JSON.stringify({ seed, choices, ...found }));
      return { ...found, perPrompt };
    }),
  );
}
await browser.close();
for (const [index, choices] of measuredAt.entries())
  console.log(JSON.stringify({ choices, ...overSeeds(bySeed.map((one) => one[index])) }));
