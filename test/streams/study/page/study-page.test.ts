import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { comparisonChart, studyCharts } from '../../../../src/streams/study/page/study-charts.js';
import { studyPage } from '../../../../src/streams/study/page/study-page.js';
import { rowRuns, type StudyResults } from '../../../../src/streams/study/results/study-results.js';
import { writeStudy } from '../../../../src/streams/study/write-study.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { elementsOf } from '../../report/markup.js';
import { exampleStudy, point, runResult } from '../example-study.js';

const study = exampleStudy();
const slow = runResult('plain', 2, [], {
  machine: 'a server',
  points: [point(0, 0.2), point(128, 0.5), point(256, 0.7, 0.4)],
});
const RESULTS: StudyResults = {
  version: 2,
  study: 'example',
  runs: [runResult('plain', 1, [0.2, 0.3, 0.5]), slow, runResult('fast', 1, [0.2, 0.4, 0.7])],
  failures: [{ row: 'fast', seed: 2, fingerprint: 'any', failure: 'disk | full' }],
};

function pageOf(results: StudyResults, conclusions: string | null = null): string {
  const rows = rowRuns(study, results);
  const comparisonCharts = study.sections.map((section) => comparisonChart(section, 1, rows));
  const charts = studyCharts(rows);
  return studyPage({ study, rows, charts, comparisonCharts, chartFolder: 'results', conclusions });
}
const linesOf = (page: string, beginning: string) =>
  page.split('\n').filter((line) => line.startsWith(beginning));

describe('studyPage', () => {
  const page = pageOf(RESULTS);

  test('should give every row its means with intervals, and one seed none', () => {
    // Plain ends with 0.5 and 0.7 on held-out prompts: mean 0.6, 12.7062 x 0.1. Diversity kept: 1 and 0.8.
    expect(linesOf(page, '| Plain |')[0]).toBe(
      '| Plain | 2 | 20.0 ± 0.0 | 60.0 ± 127.1 | 30.0 ± 0.0 | 70.0 ± 127.1 | 0.350 ± 0.635 | 90.0 ± 127.1 | 6 ± 0 | 5 ± 0 | 128 ± 0 |',
    );
    expect(linesOf(page, '| Fast |')[0]).toBe(
      '| Fast | 1 of 2 | 20.0 (one seed) | 70.0 (one seed) | 30.0 (one seed) | 80.0 (one seed) | 0.400 (one seed) | 100.0 (one seed) | 6 (one seed) | 5 (one seed) | 128 (one seed) |',
    );
  });

  test('should compare with the baseline by pairs of seeds', () => {
    expect(linesOf(page, '| Plain (baseline) |')).toEqual([
      '| Plain (baseline) |  | 60.0 ± 127.1 |  |  |  |  | 256 | 6 | 5,120 |',
    ]);
    // Seed 1 alone: 0.7 - 0.5. Its curve passes 0.5 a third of the way from 128 to 256.
    expect(linesOf(page, '| Fast |')[1]).toBe(
      '| Fast | 1 | 70.0 (one seed) | +20.0 (one seed) | +20.0 (one seed) | ±0.0 (one seed) | +0.100 (one seed) | 171 | 6 | 3,413 |',
    );
    // Earlier programs did not count rows.
    const runs = RESULTS.runs.map((run) => ({
      ...run,
      points: run.points.map((one) => ({ ...one, networkPasses: null })),
    }));
    expect(linesOf(pageOf({ ...RESULTS, runs }), '| Plain (baseline) |')[0]).toMatch(/ 256 \| 6 \|$/);
    expect(page).toContain('## Speed\n\nIs fast better?\n');
  });

  test('should say how the rows learned', () => {
    expect(linesOf(page, '| Plain |')[1]).toBe('| Plain | 0.5 | 6 | 25.0 % | 2 | 0 20 80 | 25.0 % | – |');
  });

  test('should list every run with its machine', () => {
    expect(linesOf(page, '| Plain | 2 |').at(-1)).toBe(
      '| Plain | 2 | 70.0 | 80.0 | 80.0 | 0.400 | 128 | a server |',
    );
    expect(page.replaceAll('\n', ' ')).toContain('Ran on: a desk; a server.');
  });

  test('should own up to what is missing', () => {
    expect(page).toContain('Runs that have not come to their end: Fast (1).');
    expect(page).toContain('| Fast | 2 | disk \\| full |');
    expect(pageOf({ ...RESULTS, runs: [...RESULTS.runs, runResult('fast', 2, [0.2, 0.3])] })).not.toContain(
      'Missing',
    );
  });

  test('should say above all else which rows were made before a change', () => {
    const outdated = [{ change: 'Fast was slower than it is.', rows: ['fast', 'plain'] }];
    const rows = rowRuns(study, RESULTS);
    const parts = {
      rows,
      charts: [],
      comparisonCharts: [],
      chartFolder: 'results',
      conclusions: 'Conclusions.',
    };
    expect(studyPage({ ...parts, study: { ...study, outdated } })).toContain(
      '\n**Made before a change.** Today\'s program does not give the figures of these rows again:\n\n- "Plain" (small), "Fast" (small): Fast was slower than it is.\n\nConclusions.',
    );
    expect(page).not.toContain('before a change');
  });

  test('should take conclusions as they are written, and draw none itself', () => {
    expect(page).not.toContain('Conclu');
    expect(pageOf(RESULTS, '## Conclusions\n\nFast *is*  better.\n')).toContain(
      '\n## Conclusions\n\nFast *is*  better.\n\n## All rows',
    );
  });

  test('should keep prose within 120 columns', () => {
    expect(page.split('\n').filter((line) => line.length > 120 && !line.startsWith('|'))).toEqual([]);
  });

  test('should be a page also where nothing has run', () => {
    const empty = pageOf({ ...RESULTS, runs: [], failures: [] });
    expect(linesOf(empty, '| Plain |')[0]).toBe('| Plain | 0 of 2 | – | – | – | – | – | – | – | – | – |');
    expect(empty).not.toContain('## Charts');
  });
});

describe('studyCharts', () => {
  const charts = studyCharts(rowRuns(study, RESULTS));

  test('should be eight, well-formed, with axes and a legend', () => {
    expect(charts.map(({ name }) => name)).toEqual([
      'alignment-by-queries.svg',
      'alignment-by-passes.svg',
      'alignment-by-samples.svg',
      'alignment-by-seconds.svg',
      'reward-by-queries.svg',
      'reward-by-seconds.svg',
      'front.svg',
      'train-and-held-out.svg',
    ]);
    for (const { svg } of charts) {
      expect(elementsOf(svg)[0]).toBe('svg');
      expect(svg.match(/<text [^>]*>(Plain|Fast)<\/text>/g)).toHaveLength(2);
    }
    expect(charts[0]?.svg).toContain('>reward queries</text>');
    expect(charts[0]?.svg).toContain('>verified alignment, held-out prompts</text>');
  });

  test('should draw lines of means, and bands where there are intervals', () => {
    const [first] = charts;
    const lines = [...(first?.svg ?? '').matchAll(/<polyline class="line c(\d)" points="([^"]*)"/g)];
    // x from 0 to 256 over 46..436, y from 20 to 80 % over 216..14: means 20, 40, 60 and 20, 40, 70 %.
    expect(lines.map(([, color, points]) => [color, points])).toEqual([
      ['0', '46,216 241,148.7 436,81.3'],
      ['1', '46,216 241,148.7 436,47.7'],
    ]);
    expect(first?.svg.match(/<polygon class="band c\d"/g)).toEqual(['<polygon class="band c0"']);
  });

  test('should dash what has a color for the second time', () => {
    const [plain] = rowRuns(study, RESULTS);
    if (!plain) throw new Error('the example has a row');
    const many = Array.from({ length: 10 }, (_, index) => ({ ...plain, title: `Row <${index}>` }));
    const svg = studyCharts(many)[0]?.svg ?? '';
    expect(elementsOf(svg).filter((name) => name === 'polyline')).toHaveLength(10);
    expect(svg.match(/<polyline class="line c\d dashed"/g)).toEqual([
      '<polyline class="line c0 dashed"',
      '<polyline class="line c1 dashed"',
    ]);
  });

  test('should leave out what the model cannot measure', () => {
    const blind = runResult('plain', 1, [0.2, 0.3]);
    const points = blind.points.map((one) => ({
      ...one,
      train: { ...one.train, verifiedAlignment: null },
      heldOut: { ...one.heldOut, verifiedAlignment: null },
    }));
    const results = { ...RESULTS, runs: [{ ...blind, points }] };
    expect(studyCharts(rowRuns(study, results)).map(({ name }) => name)).toEqual([
      'reward-by-queries.svg',
      'reward-by-seconds.svg',
    ]);
    expect(linesOf(pageOf(results), '| Plain |')[0]).toContain('| – | – | – | – | 0.200 (one seed) |');
  });
});

describe('comparisonChart', () => {
  const [section] = study.sections;
  if (!section) throw new Error('the example has a comparison');

  test('should draw the rows of the comparison after its baseline, whatever the order of the rows', () => {
    const rows = rowRuns(study, RESULTS).toReversed();
    const chart = comparisonChart(section, 3, rows);
    expect(chart).toMatchObject({ name: 'comparison-3.svg', title: 'Speed' });
    const labels = Array.from(
      chart?.svg.matchAll(/<text [^>]*>(Plain|Fast)<\/text>/g) ?? [],
      ([, one]) => one,
    );
    expect(labels).toEqual(['Plain', 'Fast']);
  });

  test('should be nothing where nothing has run', () => {
    expect(comparisonChart(section, 1, rowRuns(study, { ...RESULTS, runs: [] }))).toBeNull();
  });
});

describe('writeStudy', () => {
  test('should write the results, the page with the conclusions, and the charts it links to', async () => {
    const folder = await temporaryFolder();
    const conclusionsPath = join(folder, 'conclusions.md');
    await writeFile(conclusionsPath, 'Fast is better.\n');
    const path = await writeStudy(folder, { ...study, conclusionsPath }, RESULTS);
    const page = await readFile(path, 'utf8');
    expect(page).toContain('\n\nFast is better.\n\n');
    const linked = Array.from(page.matchAll(/\]\(results\/([^)]*)\)/g), ([, name]) => name);
    expect((await readdir(join(folder, 'results'))).sort()).toEqual(linked.sort());
    expect(JSON.parse(await readFile(join(folder, 'results.json'), 'utf8'))).toEqual(RESULTS);
  });

  test('should draw the charts over all of the chosen rows alone', async () => {
    const folder = await temporaryFolder();
    await writeStudy(folder, { ...study, chartRows: ['fast'] }, RESULTS);
    const chart = await readFile(join(folder, 'results', 'front.svg'), 'utf8');
    expect(chart).toContain('>Fast</text>');
    expect(chart).not.toContain('>Plain</text>');
  });
});
