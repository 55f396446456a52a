import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { renderComparison } from '../../../src/streams/compare/compare-page.js';
import { readRuns } from '../../../src/streams/compare/read-runs.js';
import { configWith, here, open, useFolders } from '../directory/run-in-folder.js';
import { alarm, evaluation, roundMetrics } from '../example-metrics.js';
import { png } from '../report/example-report.js';
import { elementsOf } from '../report/markup.js';

useFolders();

const textOf = (html: string) =>
  html
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('&quot;', '"')
    .replace(/\s+/g, ' ');
const sectionOf = (html: string, title: string) =>
  html.split('<h2>').find((section) => section.startsWith(title)) ?? '';

/** A run of so many rounds, evaluated at both ends. */
async function run(name: string, numRounds: number, ...overrides: string[]): Promise<string> {
  const path = join(here.folder, name);
  const directory = await open({ path, config: configWith(`name=${name}`, ...overrides) });
  await directory.recordEvaluation(evaluation(0));
  for (let round = 0; round < numRounds; round++) await directory.recordRound(roundMetrics(round));
  await directory.recordEvaluation(evaluation(numRounds, { heldOut: { rewardMean: 0.5 } }));
  await directory.saveSamples(0, { png: png(10), prompts: ['a <red> circle', 'two squares'] });
  await directory.saveSamples(numRounds, { png: png(99), prompts: ['a <red> circle', 'two squares'] });
  await directory.release();
  return path;
}

const pageOf = async (...paths: string[]) => renderComparison(await readRuns(paths));

describe('tributary compare', () => {
  test('should be one well-formed page that loads nothing, with every run in every part', async () => {
    const html = await pageOf(await run('one', 3), await run('other', 5, 'stages.trainer.learningRate=0.01'));
    const elements = elementsOf(html);
    for (const name of ['script', 'link', 'iframe']) expect(elements).not.toContain(name);
    for (const [, target] of html.matchAll(/(?:src|href|url)\s*[=(]\s*["']?([^"')]*)/g))
      expect(target).toMatch(/^data:/);
    expect(html).not.toContain('undefined');
    expect(html).not.toContain('NaN');
    const figures = textOf(sectionOf(html, 'Final figures'));
    expect(figures).toContain('reward, held-out prompts 0.500 (+0.200) 0.500 (+0.200)');
    expect(figures).toContain(' rounds 3 5 ');
    expect(figures).toContain('measured after 3 rounds 5 rounds');
    const pictures = sectionOf(html, 'The same prompts');
    expect(textOf(pictures)).toContain('base of one one other a &lt;red&gt; circle two squares');
    expect(pictures).toContain('aria-label="two squares, other"');
    const settings = textOf(sectionOf(html, 'Configs'));
    expect(settings).toContain('name "one" "other" stages.trainer.learningRate 0.0003 0.01');
    expect(settings).not.toContain('evaluation');
  });

  test('should draw each run as far as it went, on one axis', async () => {
    const html = await pageOf(await run('one', 2), await run('other', 4));
    const [, source = ''] = /svg\+xml;base64,([^"]*)" alt="Reward in training/.exec(html) ?? [];
    const svg = Buffer.from(source, 'base64').toString();
    const lines = [...svg.matchAll(/<polyline [^>]*points="([^"]*)"/g)].map(([, points = '']) =>
      points.split(' ').map((point) => point.split(',')[0]),
    );
    expect(lines.map((xs) => xs.length)).toEqual([2, 4]);
    expect(lines[1]?.slice(0, 2)).toEqual(lines[0]);
  });

  test('should go on without what is damaged, missing or not there yet, and say so', async () => {
    const [whole, damaged, begun] = [
      await run('whole', 2),
      await run('damaged', 2),
      join(here.folder, 'begun'),
    ];
    await appendFile(join(damaged, 'metrics.jsonl'), 'garbage\n');
    await writeFile(join(damaged, 'samples', 'round-0002.png'), 'no picture');
    await writeFile(join(damaged, 'config.yaml'), '');
    await (await open({ path: begun, config: configWith('name=begun') })).release();
    const html = await pageOf(whole, damaged, begun);
    elementsOf(html);
    const text = textOf(html);
    expect(text).toContain(
      `damaged: ${join(damaged, 'config.yaml')}: expected the config of the run, got an empty file; it is not compared.`,
    );
    expect(text).toContain('damaged: 1 line of metrics.jsonl could not be used');
    expect(text).toContain('No pictures are kept of damaged, begun: draw them with --draw.');
    expect(textOf(sectionOf(html, 'Final figures'))).toMatch(
      / rounds 2 2 0 measured after 2 rounds 2 rounds – /,
    );
    expect(textOf(sectionOf(html, 'Configs'))).toContain('name "whole" "begun"');
  });

  test('should say where pictures do not start from the same noise, or share no prompt', async () => {
    const [one, other] = [await run('one', 2), await run('other', 2, 'evaluation.seed=5')];
    expect(textOf(await pageOf(one, other))).toContain(
      'These start from different noise, as evaluation.seed differs (1234, 5): draw them with --draw.',
    );
    await writeFile(join(other, 'samples', 'prompts.txt'), 'a cat\na dog\n');
    expect(textOf(await pageOf(one, other))).toContain('The runs have no prompt in common');
    await rm(join(other, 'samples'), { recursive: true });
    await rm(join(one, 'samples'), { recursive: true });
    expect(await pageOf(one, other)).not.toContain('The same prompts');
  });

  test('should show the policy that a run ends with: the best one where a guard stopped it', async () => {
    const paths = [await run('one', 2), join(here.folder, 'stopped')];
    const directory = await open({ path: paths[1] as string, config: configWith('name=stopped') });
    await directory.recordEvaluation(evaluation(0));
    await directory.recordRound(roundMetrics(0));
    await directory.recordAlarm(alarm(1, { action: 'stop' }));
    await directory.recordEvaluation(evaluation(1, { heldOut: { rewardMean: 0.1 } }));
    await directory.saveBest({ evaluation: evaluation(0), adapter: Uint8Array.of(1) });
    await directory.release();
    const figures = textOf(sectionOf(await pageOf(...paths), 'Final figures'));
    expect(figures).toContain('reward, held-out prompts 0.500 (+0.200) 0.300 ');
    expect(figures).toContain('measured after 2 rounds base model');
    expect(figures).toContain('alarms none ratioDrift');
  });

  test('should tell runs of one name by their folders, and those by their paths', async () => {
    const labels = async (...paths: string[]) => (await readRuns(paths)).map(({ label }) => label);
    const made = async (folder: string) => {
      const path = join(here.folder, folder);
      await (await open({ path })).release();
      return path;
    };
    const [a, b, c] = [await made('a/x'), await made('b'), await made('c/x')];
    expect(await labels(a, b)).toEqual(['x', 'b']);
    expect(await labels(a, c)).toEqual([a, c]);
  });

  test('should refuse what is no run, one run, and one run twice', async () => {
    const [one, empty] = [await run('one', 1), join(here.folder, 'empty')];
    await mkdir(empty);
    const refusals = [
      [
        [one, empty],
        `the directory of a run at ${empty}, got no config.yaml there. Name one such as runs/demo.`,
      ],
      [
        [one, join(one, 'config.yaml')],
        `the directory of a run at ${join(one, 'config.yaml')}, got ENOTDIR. Name one such as runs/demo.`,
      ],
      [[one], 'two runs or more, got 1. Name their directories, such as runs/a runs/b.'],
      [[one, `${one}/`], `different runs, got ${one}/ twice. Name each once.`],
    ] as const;
    for (const [paths, message] of refusals)
      await expect(readRuns(paths)).rejects.toMatchObject({
        code: 'TRIB_USAGE',
        message: `compare: expected ${message}`,
      });
  });
});
