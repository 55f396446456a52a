import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadStudy } from '../../../../src/streams/study/config/lint-study.js';
import { mergeResults, type StudyResults } from '../../../../src/streams/study/results/study-results.js';
import { readResults, writeResults } from '../../../../src/streams/study/results-file.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { exampleStudy, runResult } from '../example-study.js';

const study = exampleStudy();
const results = (changes: Partial<StudyResults>): StudyResults => ({
  version: 2,
  study: 'example',
  runs: [],
  failures: [],
  ...changes,
});
const failureOf = (row: string, seed: number, failure: string) => {
  const { fingerprint } = runResult(row, seed, [0, 0]);
  return { row, seed, fingerprint, failure };
};
const names = (runs: StudyResults['runs']) => runs.map(({ row, seed }) => `${row} ${seed}`);

describe('mergeResults', () => {
  test('should keep earlier runs without a directory, and order all as the study does', () => {
    const prior = results({ runs: [runResult('fast', 2, [0.1, 0.2]), runResult('plain', 2, [0.1, 0.3])] });
    const { results: merged, dropped } = mergeResults(study, prior, {
      runs: [runResult('fast', 1, [0.1, 0.4])],
      failures: [],
    });
    expect(names(merged.runs)).toEqual(['plain 2', 'fast 1', 'fast 2']);
    expect(merged.runs[2]).toEqual(prior.runs[0]);
    expect(dropped).toEqual([]);
  });

  test('should leave out, and say so, what was computed with another config, or is not in the study', () => {
    const prior = results({
      runs: [
        runResult('plain', 1, [0.1, 0.2], { fingerprint: 'another' }),
        runResult('plain', 7, [0.1, 0.2]),
        runResult('gone', 1, [0.1, 0.2]),
        runResult('fast', 1, [0.1, 0.2]),
      ],
    });
    const { results: merged, dropped } = mergeResults(study, prior, { runs: [], failures: [] });
    expect(names(merged.runs)).toEqual(['fast 1']);
    expect(dropped.map(({ row, seed }) => `${row} ${seed}`)).toEqual(['plain 1', 'plain 7', 'gone 1']);
  });

  test('should take what is found now, and remember the machine', () => {
    const prior = results({ runs: [runResult('plain', 1, [0.1, 0.2], { machine: 'a server' })] });
    const found = runResult('plain', 1, [0.1, 0.9], { machine: null });
    const { results: merged } = mergeResults(study, prior, { runs: [found], failures: [] });
    expect(merged.runs).toEqual([{ ...found, machine: 'a server' }]);
  });

  test('should forget a failure when its run has come to its end, and not before', () => {
    const prior = results({
      failures: [failureOf('plain', 1, 'disk full'), failureOf('fast', 1, 'disk full')],
    });
    const { results: merged } = mergeResults(study, prior, {
      runs: [runResult('plain', 1, [0.1, 0.2])],
      failures: [failureOf('plain', 2, 'no model')],
    });
    expect(merged.failures.map(({ row, seed, failure }) => [row, seed, failure])).toEqual([
      ['plain', 2, 'no model'],
      ['fast', 1, 'disk full'],
    ]);
  });
});

describe('results.json', () => {
  test('should be read as it was written', async () => {
    const path = join(await temporaryFolder(), 'results.json');
    const written = results({
      runs: [runResult('plain', 1, [0.1, 0.2]), runResult('fast', 1, [0.1, 0.2])],
      failures: [failureOf('plain', 2, 'no model')],
    });
    await writeResults(path, written);
    expect(await readResults(path, study)).toEqual(written);
  });

  test('should be empty where there is none', async () => {
    expect(await readResults(join(await temporaryFolder(), 'results.json'), study)).toEqual(results({}));
  });

  test('should not be mistaken for those of another study, or of another shape', async () => {
    const path = join(await temporaryFolder(), 'results.json');
    await writeResults(path, results({ study: 'other' }));
    expect(await faultOf(() => readResults(path, study))).toEqual([
      'TRIB_USAGE',
      `${path}: expected results of study "example", got those of "other". Choose another folder with --out.`,
    ]);
    await writeFile(path, '{"version": 1}');
    expect(await faultOf(() => readResults(path, study))).toEqual([
      'TRIB_FILE',
      `${path} version: expected 2, got 1 (and 3 more). Restore it, or move it away; runs whose directories are here are read again.`,
    ]);
  });
});

describe('the results in docs', () => {
  test('should all be of the configs of today, so that a study neither drops nor repeats them', async () => {
    const shapes = await loadStudy('config/study-shapes.yaml');
    const { dropped } = mergeResults(shapes, await readResults('docs/results.json', shapes), {
      runs: [],
      failures: [],
    });
    expect(dropped).toEqual([]);
  });
});
