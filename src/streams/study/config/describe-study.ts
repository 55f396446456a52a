import { planRuns, type Study } from './study.js';

/** Returns what a study amounts to, as names and values. */
export function describeStudy(study: Study): [name: string, value: string][] {
  const runs = planRuns(study);
  const rewardQueries = runs.reduce((sum, { row }) => sum + row.rewardQueries, 0);
  return [
    ['rows', String(study.rows.length)],
    ['seeds', study.seeds.join(', ')],
    ['runs', String(runs.length)],
    ['reward queries', `${rewardQueries.toLocaleString('en-US')} in ${runs.length} runs`],
    ['comparisons', String(study.sections.length)],
  ];
}
