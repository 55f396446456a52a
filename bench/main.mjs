/** @file `npm run bench`: the figures of the README, as ratios inside one run. */

import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { benchGraphs } from './graphs.mjs';
import { benchRollouts } from './rollouts.mjs';
import { benchShortRun } from './short-run.mjs';

const { values } = parseArgs({
  options: {
    pipeline: { type: 'string', default: 'models/shapes' },
    config: { type: 'string', default: 'config/demo.yaml' },
    rows: { type: 'string', default: '64' },
    groups: { type: 'string', default: '8' },
    threads: { type: 'string', default: '2' },
    repetitions: { type: 'string', default: '15' },
  },
});
const threads = Number(values.threads);
const repetitions = Number(values.repetitions);
const { pipeline } = values;

console.log(`${cpus()[0]?.model}, ${cpus().length} cores, ${threads} threads, Node ${process.version}`);
const rows = [];
const note = (figure, value, required = '') => rows.push({ figure, value, required });

const { seconds, flop } = await benchGraphs({ pipeline, rows: Number(values.rows), threads, repetitions });
const rate = (name) => flop[name] / seconds[name];
const milliseconds = (name) => `${(1000 * seconds[name]).toFixed(1)} ms`;
note('matrix product 2048, GFLOP/s', (rate('matrixProduct') / 1e9).toFixed(0));
note(`sampling graph, ${values.rows} rows`, milliseconds('fused'));
note(
  'sampling graph, share of the matrix product rate',
  `${((100 * rate('fused')) / rate('matrixProduct')).toFixed(0)} %`,
);
note('unfused graph / sampling graph', (seconds.unfused / seconds.fused).toFixed(2), 'at least 2');
note(
  'differentiable graph, fused by the runtime / sampling graph',
  (seconds.differentiable / seconds.fused).toFixed(2),
);
note('LoRA training step / sampling graph', (seconds.training / seconds.fused).toFixed(2), 'at most 5');
note(
  'LoRA training step, share of the matrix product rate',
  `${((100 * rate('training')) / rate('matrixProduct')).toFixed(0)} %`,
);

const rollouts = await benchRollouts({
  pipeline,
  groups: Number(values.groups),
  threads,
  repetitions: Math.ceil(repetitions / 3),
});
note(
  `${values.groups} groups one by one / as one batch`,
  (rollouts.oneByOne / rollouts.oneBatch).toFixed(2),
  'above 1',
);

const short = await benchShortRun(values.config);
note(
  'largest |ratio - 1| before the first optimizer step',
  short.maxRatioDeviation.toExponential(1),
  'at most 1e-5',
);
note('event-loop delay p99, main thread', `${short.eventLoopDelayP99Ms.toFixed(1)} ms`, 'under 20 ms');
note('peak resident memory', `${(short.peakRssBytes / 1e9).toFixed(2)} GB`, 'under 1.5 GB');
console.table(rows);
