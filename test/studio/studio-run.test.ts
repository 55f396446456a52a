import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { expect, it, onTestFinished, vi } from 'vitest';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { HAS_BROWSER, launch, PERSON, visit } from './browser.js';

const MAIN = join(import.meta.dirname, '../../dist/cli/main.js');
const SMALL = [
  'stages.prompts.numRounds=1',
  'engine.threads=1',
  ...['trainPrompts', 'heldOutPrompts', 'imagesPerPrompt'].map((name) => `evaluation.${name}=1`),
];

/** Collects what a stream says. */
function listenTo(said: Readable): () => string {
  let text = '';
  said.on('data', (chunk) => {
    text += String(chunk);
  });
  return () => text;
}

it.skipIf(!HAS_BROWSER)('should draw for a person, and train a round on what they choose', async () => {
  const run = join(await temporaryFolder(), 'run');
  const args = ['studio', '--port', '0', '--run-dir', run, ...SMALL.flatMap((set) => ['--set', set])];
  const studio = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(studio, 'exit');
  const said = listenTo(studio.stderr);
  const browser = await launch();
  onTestFinished(async () => {
    studio.kill();
    await browser.close();
  });
  const address = await vi.waitFor(() => /people served at +(\S+)/.exec(said())?.[1] ?? expect.fail(said()), {
    timeout: 60_000,
  });
  const { page, complaints } = await visit(browser, address);
  const prompts = [
    'a red circle and a blue square',
    'two yellow squares',
    'three red triangles',
    'one green circle',
  ];
  for (const prompt of prompts) {
    await page.getByLabel('What should the pictures show?').fill(prompt);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: prompt }).waitFor();
    await page.getByRole('button', { name: /^Picture 4 of 4/ }).waitFor();
    await page.keyboard.press('2');
    await page.getByText('Picture 2 chosen').waitFor();
  }
  expect(complaints).toEqual([]);
  // A choice is sent with the next one; the last one when the page is left.
  await page.close({ runBeforeUnload: true });
  expect([...(await ended), said()]).toEqual([0, null, expect.stringContaining('round 1')]);
  const lines = (await readFile(join(run, 'gateway/votes.jsonl'), 'utf8')).trim().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject(
    prompts.map(() => ({ voter: PERSON, judgment: { best: 1 } })),
  );
  const metrics = await readFile(join(run, 'metrics.jsonl'), 'utf8');
  expect(metrics).toContain('"kind":"round"');
});
