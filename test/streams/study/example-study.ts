import { requireConfig } from '../../../src/streams/config/source/lint-sources.js';
import { lintStudy } from '../../../src/streams/study/config/lint-study.js';
import { planRuns, type Study } from '../../../src/streams/study/config/study.js';
import type { EvaluationPoint, RunResult } from '../../../src/streams/study/results/run-result.js';
import type { RunToDo } from '../../../src/streams/study/run-study.js';
import { SMALLEST } from '../config/valid-config.js';

/** Two rows of 256 reward queries, 2 rounds x 32 groups x 4 branches and 1 x 32 x 8, and two seeds. */
export const STUDY = `name: example
seeds: [1, 2]
budget: { rewardQueries: 256 }
rows:
  plain:
    title: Plain
    preset: presets/small.yaml
    set: { stages.prompts.numRounds: 2, stages.sampler.numBranches: 4 }
  fast:
    title: Fast
    preset: presets/small.yaml
    set: { stages.prompts.numRounds: 1, stages.sampler.numBranches: 8 }
sections:
  - { title: Speed, question: Is fast better?, rows: [fast], baseline: plain }
version: 2
`;

/** Reads config/presets/small.yaml, and nothing else. */
export function readSmall(path: string): string {
  if (path === 'config/presets/small.yaml') return SMALLEST;
  throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
}

export function exampleStudy(text = STUDY): Study {
  return requireConfig(lintStudy(text, 'config/study.yaml', readSmall));
}

export function runsToDo(study: Study): RunToDo[] {
  return planRuns(study).map((run) => ({ ...run, found: { state: 'absent' } }));
}

/** Verified alignment and diversity on held-out prompts, after so many reward queries; training prompts lie 0.1 above. */
export function point(rewardQueries: number, heldOut: number, diversity = 0.5): EvaluationPoint {
  const list = (alignment: number, images: number) => ({
    prompts: images / 8,
    images,
    verifiedAlignment: alignment,
    rewardMean: alignment / 2,
    diversity,
  });
  return {
    round: rewardQueries / 128,
    rewardQueries,
    networkPasses: 20 * rewardQueries,
    elapsedSeconds: rewardQueries / 2,
    train: list(heldOut + 0.1, 512),
    heldOut: list(heldOut, 256),
  };
}

/** A complete run with these held-out alignments after 0, 128, 256, ... reward queries. */
export function runResult(
  row: string,
  seed: number,
  alignments: readonly number[],
  changes: Partial<RunResult> = {},
): RunResult {
  return {
    row,
    seed,
    fingerprint: exampleStudy().rows.find(({ name }) => name === row)?.fingerprint ?? 'unknown',
    machine: 'a desk',
    points: alignments.map((alignment, index) => point(128 * index, alignment)),
    rounds: [
      {
        round: 0,
        groups: 4,
        selectedSamples: 6,
        zeroSpreadGroups: 1,
        intraGroupCorrelation: 0.5,
        gradNorm: 2,
        gradNormByStep: [null, 1, 2],
        clipFraction: 0.25,
        klToPretrained: null,
      },
    ],
    ...changes,
  };
}
