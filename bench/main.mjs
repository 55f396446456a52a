/**
 * @file `npm run bench`: the figures of speed and memory in the docs.
 *
 *     npm run bench -- [--python <python with torch, numpy, onnx>] [--compile] [--busy] [--turns 3] [--threads 2]
 *
 * The shapes model's graphs are timed in processes that take turns with PyTorch's, where --python names one, and with
 * themselves beside a busy process, where --busy is given: so a slow moment of the machine meets all of them.
 */

import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { runNode, runPython, whileBusy } from './processes.mjs';
import { benchRollouts } from './rollouts.mjs';
import { benchShortRun } from './short-run.mjs';
import { joined, median } from './timing.mjs';
import { createYardstick } from './yardstick.mjs';

const { values } = parseArgs({
  options: {
    pipeline: { type: 'string', default: 'test/fixtures/first-shapes' },
    config: { type: 'string', default: 'config/demo.yaml' },
    rows: { type: 'string', default: '64' },
    groups: { type: 'string', default: '8' },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '15' },
    turns: { type: 'string', default: '3' },
    python: { type: 'string' },
    compile: { type: 'boolean', default: false },
    busy: { type: 'boolean', default: false },
  },
});
const { pipeline, config, rows, runs, python } = values;
const threads = Number(values.threads);
const GRAPHS = {
  sampling: { title: `sampling graph, ${rows} rows`, mostOfPyTorch: 0.65 },
  training: { title: `loss and LoRA gradients, ${rows} rows`, mostOfPyTorch: 0.8 },
};
const MOST_WHILE_BUSY = 1.75;

const size = ['--rows', rows, '--threads', threads, '--runs', runs];
const ours = () => runNode('bench/graphs.mjs', [config, '--pipeline', pipeline, ...size]);
const theirs = () =>
  runPython(python, 'tools/reference/shapes_unet_speed.py', [
    pipeline,
    ...size,
    ...(values.compile ? ['--compile'] : []),
  ]);

console.log(`${cpus()[0]?.model}, ${cpus().length} cores, ${threads} threads, Node ${process.version}`);
const yardstick = createYardstick(threads, python);
const measured = { quiet: [], busy: [], pytorch: [] };
await yardstick.measure();
for (let turn = 0; turn < Number(values.turns); turn++) {
  measured.quiet.push(await ours());
  if (python !== undefined) measured.pytorch.push(await theirs());
  if (values.busy) measured.busy.push(await whileBusy(ours));
  await yardstick.measure();
}
console.log(`matrix product: ${yardstick}`);

/** The median times of a graph over all turns; of PyTorch's memory layouts the faster. */
const medians = (parts) => {
  const { seconds, cpuSeconds } = joined(parts);
  return { wall: median(seconds), cpu: median(cpuSeconds) };
};
const ofOurs = (turns, graph) => medians(turns.map((turn) => turn[graph]));
function ofPyTorch(work) {
  const [{ times }] = measured.pytorch;
  const names = Object.keys(times).filter((name) => name.startsWith(`${work},`));
  return names
    .map((name) => medians(measured.pytorch.map((turn) => turn.times[name])))
    .toSorted((a, b) => a.wall - b.wall)[0];
}

const milliseconds = ({ wall, cpu }) => `${(1000 * wall).toFixed(1)} (${(1000 * cpu).toFixed(0)})`;
const ratio = (a, b) => `${(a.wall / b.wall).toFixed(2)} (${(a.cpu / b.cpu).toFixed(2)})`;
const percent = (share) => `${(100 * share).toFixed(0)} %`;
console.log('In parentheses: processor time of all cores, which spinning threads add to.');
console.table(
  Object.entries(GRAPHS).map(([graph, { title, mostOfPyTorch }]) => {
    const [{ flop }] = measured.quiet.map((turn) => turn[graph]);
    const quiet = ofOurs(measured.quiet, graph);
    const share = percent(flop / quiet.wall / yardstick.best());
    const figures = {
      figure: title,
      ms: milliseconds(quiet),
      'share of the best product': `${share} (${percent(flop / quiet.cpu / yardstick.bestOfCore())})`,
    };
    if (python !== undefined) {
      const [{ torch }] = measured.pytorch;
      const eager = ofPyTorch(graph);
      figures[`PyTorch ${torch}, ms`] = milliseconds(eager);
      figures['time / PyTorch'] = `${ratio(quiet, eager)}, at most ${mostOfPyTorch}`;
      if (values.compile) figures['torch.compile, ms'] = milliseconds(ofPyTorch(`compiled ${graph}`));
    }
    if (values.busy) {
      const busy = ofOurs(measured.busy, graph);
      figures['busy, ms'] = milliseconds(busy);
      figures['busy / quiet'] = `${ratio(busy, quiet)}, at most ${MOST_WHILE_BUSY}`;
    }
    return figures;
  }),
);

const rollouts = await benchRollouts({
  pipeline,
  groups: Number(values.groups),
  threads,
  repetitions: Math.ceil(Number(runs) / 3),
});
const short = await benchShortRun(config);
const figure = (name, value, required) => ({ figure: name, value, required });
console.table([
  figure(
    `${values.groups} groups one by one / as one batch`,
    (rollouts.oneByOne / rollouts.oneBatch).toFixed(2),
    'above 1',
  ),
  figure(
    'largest |ratio - 1| before the first optimizer step',
    short.maxRatioDeviation.toExponential(1),
    'at most 1e-5',
  ),
  figure('event-loop delay p99, main thread', `${short.eventLoopDelayP99Ms.toFixed(1)} ms`, 'under 20 ms'),
  figure('peak resident memory', `${(short.peakRssBytes / 1e9).toFixed(2)} GB`, 'under 1.5 GB'),
]);
