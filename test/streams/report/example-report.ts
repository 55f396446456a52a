/** @file A report with something in every part. */
import { encodePng } from '../../../src/models/images/picture.js';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { requireConfig } from '../../../src/streams/config/source/lint-sources.js';
import type { PicturedTrees } from '../../../src/streams/directory/tree-files.js';
import type { ReportContent } from '../../../src/streams/report/render-report.js';
import { SMALLEST } from '../config/valid-config.js';
import { evaluation, roundMetrics } from '../example-metrics.js';

export const reportConfig = requireConfig(lintTopology(SMALLEST, 'tiny.yaml'));
export const png = (value: number) =>
  encodePng({ width: 6, height: 8, data: new Uint8Array(6 * 8 * 3).fill(value) });

/** Two of four branches are trained on, from step 4 of 10. */
export const exampleTrees: PicturedTrees = {
  round: 2,
  trainedSteps: [4, 5, 6, 7, 8, 9],
  timesteps: [901, 801, 701, 601, 501, 401, 301, 201, 101, 1],
  sheet: { columns: 5, width: 4, height: 4, gap: 1, scale: 1 },
  trees: [
    {
      groupId: '2-0',
      prompt: 'a <red> circle',
      widths: [1, 1, 1, 1, 1, 4, 4, 4, 4, 4, 4],
      leaves: [0.91, -1.37, null, null].map((advantage, branch) => ({
        branch,
        reward: 0.4 - branch / 10,
        advantage,
        credit: Array.from({ length: 10 }, (_, step) => (step < 4 ? null : advantage)),
        picture: branch + 1,
      })),
      forks: [{ step: 4, node: 0, picture: 0 }],
    },
  ],
  png: png(90),
};

const from = (firstStep: number) => Array.from({ length: 10 - firstStep }, (_, index) => firstStep + index);
export const content: ReportContent = {
  config: reportConfig,
  rounds: [0, 1, 2, 3].map((round) =>
    roundMetrics(round, {
      trainedSteps: from(round < 2 ? 7 : 4),
      clipFractionByStep: Array(10).fill(round / 4),
    }),
  ),
  evaluations: [
    evaluation(0, {
      train: { verifiedAlignment: 0.41 },
      byTemplate: { counting: { train: 0.5, heldOut: null } },
    }),
    evaluation(4, {
      train: { verifiedAlignment: 0.586, diversity: 0.47 },
      heldOut: { verifiedAlignment: 0.3 },
      byTemplate: { counting: { train: 0.62, heldOut: null } },
    }),
  ],
  best: null,
  alarms: [],
  notes: [],
  trees: [exampleTrees],
  grids: { before: png(10), after: png(200), prompts: ['a <red> circle', 'two "blue" squares'] },
};
