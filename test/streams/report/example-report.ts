/** @file A report with something in every part. */
import { encodePng } from '../../../src/models/images/picture.js';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { requireConfig } from '../../../src/streams/config/source/lint-sources.js';
import type { ReportContent } from '../../../src/streams/report/render-report.js';
import { SMALLEST } from '../config/valid-config.js';
import { evaluation, roundMetrics } from '../example-metrics.js';

export const reportConfig = requireConfig(lintTopology(SMALLEST, 'tiny.yaml'));
export const png = (value: number) =>
  encodePng({ width: 6, height: 8, data: new Uint8Array(6 * 8 * 3).fill(value) });

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
  grids: { before: png(10), after: png(200), prompts: ['a <red> circle', 'two "blue" squares'] },
};
