import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeBest } from '../../../src/streams/directory/best-policy.js';
import { appendMetrics } from '../../../src/streams/directory/metrics-log.js';
import { writeTrees } from '../../../src/streams/directory/tree-files.js';
import { renderReport } from '../../../src/streams/report/render-report.js';
import { writeReport } from '../../../src/streams/report/write-report.js';
import { alarm, evaluation, roundMetrics } from '../example-metrics.js';
import { reportConfig as config, content, exampleTrees, png } from './example-report.js';
import { elementsOf } from './markup.js';

describe('writeReport', () => {
  test('should make the report from the files of a run', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'report-'));
    try {
      const time = '2026-11-21T10:00:00.000Z';
      for (const alignment of [0.11, 0.22])
        await appendMetrics(folder, {
          kind: 'evaluation',
          time,
          ...evaluation(0, { train: { verifiedAlignment: alignment } }),
        });
      await appendMetrics(folder, { kind: 'round', time, ...roundMetrics(0) });
      await appendMetrics(folder, { kind: 'alarm', time, ...alarm(1) });
      await appendMetrics(folder, { kind: 'evaluation', time, ...evaluation(1) });
      await writeBest(folder, { evaluation: evaluation(1), adapter: new Uint8Array() });
      await mkdir(join(folder, 'samples'));
      for (const [name, file] of [
        ['round-0000.png', png(1)],
        ['round-0001.png', png(2)],
        ['prompts.txt', 'a red circle\ntwo blue squares\n'],
      ] as const)
        await writeFile(join(folder, 'samples', name), file);
      const html = await readFile(await writeReport(folder, config), 'utf8');
      expect(html).toContain('(before: 22.0 %)');
      expect(html).not.toContain('11.0 %');
      expect(html).toContain('<li>guard ratioDrift after 1 rounds: as in a test</li>');
      expect(html).toContain('The best policy on held-out prompts is that after 1 round,');
      expect(html).toContain(Buffer.from(png(2)).toString('base64'));
      expect(html).toContain('<div class="prompt">two blue squares</div>');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('should show the pictures of the policy that a run ends with, wherever they lie among others', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'report-'));
    try {
      const time = '2026-11-21T10:00:00.000Z';
      for (const round of [0, 1, 2]) {
        await appendMetrics(folder, { kind: 'evaluation', time, ...evaluation(round) });
        if (round < 2) await appendMetrics(folder, { kind: 'round', time, ...roundMetrics(round) });
      }
      await writeBest(folder, { evaluation: evaluation(1), adapter: new Uint8Array() });
      await mkdir(join(folder, 'samples'));
      for (const round of [0, 1, 2])
        await writeFile(join(folder, 'samples', `round-000${round}.png`), png(round + 1));
      await writeFile(join(folder, 'samples', 'prompts.txt'), 'a red circle\n');
      const shows = async (round: number) =>
        (await readFile(await writeReport(folder, config), 'utf8')).includes(
          Buffer.from(png(round + 1)).toString('base64'),
        );
      expect([await shows(1), await shows(2)]).toEqual([false, true]);
      await appendMetrics(folder, { kind: 'alarm', time, ...alarm(2), action: 'stop' });
      expect([await shows(1), await shows(2)]).toEqual([true, false]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('should show the trees of the first, a middle and the last round, and say which are damaged', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'report-'));
    try {
      const { png: sheet, ...trees } = exampleTrees;
      const time = '2026-11-21T10:00:00.000Z';
      for (const round of [0, 4, 5, 9, 10]) {
        if (round < 10) await appendMetrics(folder, { kind: 'round', time, ...roundMetrics(round) });
        await writeTrees(folder, { ...trees, round }, sheet);
      }
      const shown = async () => {
        const html = await readFile(await writeReport(folder, config), 'utf8');
        elementsOf(html);
        return { html, rounds: [...html.matchAll(/>Round (\d+) of/g)].map(([, round]) => Number(round)) };
      };
      // Round 10 is from before a crash: it will be trained again.
      expect((await shown()).rounds).toEqual([1, 6, 10]);
      const path = (name: string) => join(folder, 'samples', name);
      const text = await readFile(path('trees-0000.json'), 'utf8');
      await writeFile(path('trees-0000.json'), text.replace('"reward":0.4', '"reward":"<b>x</b>"'));
      await writeFile(path('trees-0009.png'), sheet.subarray(0, 40));
      const { html, rounds } = await shown();
      expect(rounds).toEqual([6]);
      expect(html).not.toContain('<b>x</b>');
      expect(html).toContain(
        'samples/trees-0000.json trees.0.leaves.0.reward: expected a number; these trees are omitted.',
      );
      expect(html).toContain(
        'samples/trees-0009.png: expected a PNG, got a PNG that is cut short; these trees are omitted.',
      );
      for (const [part, other] of [
        ['"step":4', '"step":10'],
        ['"branch":3', '"branch":4'],
        ['"timesteps":[901,', '"timesteps":['],
      ] as const) {
        await writeFile(path('trees-0005.json'), text.replace(part, other));
        expect((await shown()).html).toContain('samples/trees-0005.json: expected trees that fit');
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('should say what could not be read, and let no text in place of a number into the page', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'report-'));
    try {
      const markup = '<b>x</b>';
      const whole = [
        { kind: 'evaluation', time: '2026-11-21T10:00:00.000Z', ...evaluation(0) },
        { kind: 'round', time: '2026-11-21T10:00:00.000Z', ...roundMetrics(0) },
        { kind: 'evaluation', time: '2026-11-21T10:00:00.000Z', ...evaluation(1) },
      ];
      // Every figure of every line in turn.
      const spoilt = whole.flatMap((line) =>
        Object.entries(line).flatMap(([name, value]) => [
          ...(typeof value === 'number' || value === null ? [{ ...line, [name]: markup }] : []),
          ...(Array.isArray(value) ? [{ ...line, [name]: value.map(() => markup) }] : []),
          ...(name === 'train' || name === 'heldOut'
            ? Object.keys(value).map((key) => ({ ...line, [name]: { ...value, [key]: markup } }))
            : []),
        ]),
      );
      expect(spoilt.length).toBeGreaterThan(50);
      const lines = [...whole, ...spoilt].map((line) => `${JSON.stringify(line)}\n`);
      await writeFile(join(folder, 'metrics.jsonl'), lines.join(''));
      await writeBest(folder, {
        evaluation: { ...evaluation(1), seconds: markup as unknown as number },
        adapter: new Uint8Array(),
      });
      await mkdir(join(folder, 'samples'));
      await writeFile(join(folder, 'samples', 'round-0000.png'), png(1));
      await writeFile(join(folder, 'samples', 'round-0001.png'), png(1).subarray(0, 40));
      await writeFile(join(folder, 'samples', 'prompts.txt'), 'a red circle\n');
      const html = await readFile(await writeReport(folder, config), 'utf8');
      elementsOf(html);
      expect(html).not.toContain(markup);
      expect(html).toContain(
        `<p class="facts">${spoilt.length} lines of metrics.jsonl could not be used; the figures below are without them.</p>`,
      );
      expect(html).toContain(
        '<p class="facts">samples/round-0001.png: expected a PNG, got a PNG that is cut short; the pictures are omitted.</p>',
      );
      const [, first] = whole;
      const direct = renderReport({
        ...content,
        rounds: [{ ...roundMetrics(0), ...first, rewardQueries: markup as unknown as number }],
      });
      expect(direct).not.toContain(markup);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
